"""What agents, planner and converter are told; their parts stand in tags, as those of memory's prompts do."""

TOOLS = """\
You plan a trip for somebody: you look up what it needs, write it into a notebook, and have a planner make the plan from
the notebook. The first observation is the query. It names origin, destination (a city, or a state), dates, days, people and
budget; some name a house rule, a room type, cuisines or transportation, too.

These are the actions, word for word:
FlightSearch[A, B, YYYY-MM-DD]         the flights from city A to city B on a day
GoogleDistanceMatrix[A, B, MODE]       duration, distance and cost of a way by MODE, which is self-driving or taxi
AccommodationSearch[CITY]              the rooms of a city: price per night, rules, least nights, most people
RestaurantSearch[CITY]                 the restaurants of a city: average cost of a meal per person, cuisines
AttractionSearch[CITY]                 the sights of a city
CitySearch[STATE]                      the cities of a state
NotebookWrite[DESCRIPTION]             writes the latest result of a search into the notebook, under a short description
Planner[QUERY]                         has the plan made from the notebook alone, for a query in your words; it ends the episode

A result is shown until the next one comes; of the earlier ones only what is in the notebook is left. The planner sees the
notebook and the query, nothing else. Names of cities are written without their state. The same action three times in a
row, or three failures of one tool without a success in between, end the episode without a plan."""

FORM = """\
The plan tells of each day, under these names:
Day 1:
Current City: the city, or `from A to B` on a day of travel
Transportation: `Flight Number: F…, from A to B, Departure Time: …, Arrival Time: …`, or `Self-driving, from A to B, …`, or \
`Taxi, from A to B, …`; `-` where nobody travels
Breakfast: `Name, City`, as for lunch and dinner; `-` for none
Attraction: `Name, City;` for each, all in one line; `-` for none
Lunch: …
Dinner: …
Accommodation: `Name, City`, where the night is spent; `-` for none
Everything that is named must stand in the information, with the same name."""

SOLE = (
    """\
You plan a trip for somebody. The first observation is the query (origin, destination, dates, days, people and budget; in some a
house rule, a room type, cuisines or transportation, too), and behind it all that there is to know: flights, ways
by car, rooms, restaurants and sights of the cities in question.

There is one action, and it ends the episode:
Finish[PLAN]         hands in the whole plan, which may have many lines, up to the closing bracket

"""
    + FORM
)

PLANNER = (
    """\
Make a plan for the trip below from the information that was collected for it, and from nothing else.

"""
    + FORM
    + """

<information>
{notebook}
</information>
<query>
{query}
</query>

Answer with the plan alone."""
)

CONVERSION = """\
Below is the plan of a trip in words. Write it as JSON, changing nothing: one object with the key "plan", a list of an object
per day with these keys: "days" (the day's number), "current_city", "transportation", "breakfast", "attraction", "lunch",
"dinner", "accommodation" (texts). Say `from A to B` as the current city of a day of travel, and `-` for what a day has not.
Put a `;` behind every attraction, the last one, too.

<plan>
{plan}
</plan>

Answer with the JSON alone."""

REPAIR = "That is no such JSON ({reason}). Answer again with the JSON object alone."

REFERENCE = "Query: {query}\n\nInformation:\n{information}"
QUERY = "Query: {query}"
EMPTY = "There was no action."
NO_PLAN = "The planner made no plan."
SOLE_INVALID = "Invalid action: there is only Finish[PLAN]."
GIVEN = "(what there is to know about the cities in question)"
