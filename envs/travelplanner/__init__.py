"""TravelPlanner: trips planned with eight tools over a database of flights, rooms, meals, sights and distances."""
