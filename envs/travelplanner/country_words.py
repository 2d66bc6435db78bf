"""What the generated country is made of: names and phrases. None occurs anywhere, and no city's name is part of another's."""

STATES = ("Averland", "Brackmoor", "Corvania", "Dunmarrow", "Estholm", "Ferrowick")
CITIES = (
    ("Almsted", "Brinholt", "Corrabay", "Dellmouth", "Elderquay"),
    ("Fallowgate", "Grimsell", "Harrowdene", "Inchmere", "Jasperton"),
    ("Kestrel Point", "Lindwater", "Marrowfield", "Nettlecombe", "Oakenford"),
    ("Port Quillan", "Quarrystead", "Rookhaven", "Saltmarsh", "Thornbury Vale"),
    ("Umberley", "Velmoor", "Wexcliff", "Yarrowby", "Zennor Bay"),
    ("Ashgrove", "Birchwick", "Copperhill", "Drumlochy", "Eastwarren"),
)
"""The cities of each state."""

CUISINES = ("American", "Chinese", "French", "Indian", "Italian", "Mediterranean", "Mexican")
"""Those that travellers ask for."""
FARE = ("BBQ", "Bakery", "Cafe", "Desserts", "Fast Food", "Pizza", "Seafood", "Tea")
"""What restaurants serve besides."""
KITCHENS = ("Kettle", "Lantern", "Spoon", "Table", "Oven", "Larder", "Skillet", "Pantry", "Cellar", "Hearth", "Ladle", "Platter")
MANNERS = ("Amber", "Brisk", "Copper", "Drowsy", "Early", "Floating", "Gilded", "Humble", "Ivory", "Jolly", "Keen", "Little")
ROOMS = ("loft", "studio", "garden flat", "attic", "cottage", "corner suite", "bunk", "penthouse", "annex", "boathouse")
VIEWS = ("Airy", "Bright", "Calm", "Dapper", "Elegant", "Friendly", "Green", "Homely", "Inviting", "Lofty", "Modern", "Old-world")
NEAR = ("by the mill", "near the station", "on the hill", "beside the park", "over the market", "at the harbour")
SIGHTS = ("Aquarium", "Botanic Garden", "Castle", "Dockyard", "Gallery", "Lighthouse", "Museum", "Observatory", "Park", "Theatre")
OWNERS = ("Baxter", "Colville", "Dunbar", "Everard", "Fenwick", "Gresham", "Hallam", "Isherwood", "Kirkby", "Lorimer")
STREETS = ("Anchor Road", "Bell Street", "Chapel Lane", "Dyer Row", "Elm Avenue")

ROOM_TYPES = {
    "entire room": ("Entire home/apt",),
    "private room": ("Private room",),
    "shared room": ("Shared room",),
    "not shared room": ("Entire home/apt", "Private room"),
}
"""What a wish for a type of room allows."""
RULES = ("smoking", "parties", "children under 10", "pets", "visitors")
"""What a house may forbid."""
NO_FLIGHT, NO_DRIVING = "no flight", "no self-driving"

OPENINGS = (
    "Plan a {days}-day trip {way} for {people}. We leave on {first}, are back on {last}, 2022, and can spend {budget} in all.",
    "From {first} to {last}, 2022, {people} would travel {way}: {days} days, with {budget} to spend. What is a good plan?",
    "I need an itinerary of {days} days {way}, {first} to {last}, 2022, on a budget of {budget}, for {people}.",
)
ALONE = "one person"
TOGETHER = "{count} people"
TO_CITY = "from {org} to {dest}"
TO_STATE = "from {org} through {cities} cities of {dest}"
RULE_PHRASES = {
    "smoking": "The rooms must not forbid smoking.",
    "parties": "We mean to hold parties where we stay.",
    "children under 10": "Children under 10 come along, and must be welcome in the rooms.",
    "pets": "Our pets come along, and must be welcome in the rooms.",
    "visitors": "We expect visitors in our rooms.",
}
TYPE_PHRASES = {
    "entire room": "We want each place entirely to ourselves.",
    "private room": "We want private rooms.",
    "shared room": "We want shared rooms.",
    "not shared room": "We do not share a room with strangers.",
}
CUISINE_PHRASE = "Somewhere on the way we would eat {cuisines} food."
TRAVEL_PHRASES = {NO_FLIGHT: "None of us takes a flight.", NO_DRIVING: "None of us drives."}
