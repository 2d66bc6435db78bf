"""What generated households are made of: kinds of rooms, what can stand in what, and where things are usually kept.

The names, and what can be opened, contained, cleaned, heated and cooled, are ALFWorld's (`alfworld.gen.constants`, less what
no game uses). Sizes of rooms and habits are our own: each kind of thing has a few kinds of places, mostly open ones.
"""

from typing import NamedTuple

OPENABLE = frozenset({"Cabinet", "Drawer", "Fridge", "Microwave", "Safe"})


class RoomKind(NamedTuple):
    """A kind of room: its scenes are numbered from `first`; `places` are the least and most receptacles of each type."""

    first: int
    places: dict[str, tuple[int, int]]


ROOMS = {
    "kitchen": RoomKind(
        1,
        {
            "Cabinet": (4, 6),
            "CoffeeMachine": (1, 1),
            "CounterTop": (2, 3),
            "DiningTable": (0, 2),
            "Drawer": (3, 5),
            "Fridge": (1, 1),
            "GarbageCan": (1, 1),
            "Microwave": (1, 1),
            "Shelf": (1, 3),
            "SideTable": (0, 1),
            "SinkBasin": (1, 1),
            "StoveBurner": (2, 4),
            "Toaster": (1, 1),
        },
    ),
    "living room": RoomKind(
        201,
        {
            "ArmChair": (1, 2),
            "Cabinet": (0, 2),
            "CoffeeTable": (0, 2),
            "DiningTable": (0, 1),
            "Drawer": (2, 5),
            "Dresser": (0, 1),
            "GarbageCan": (1, 1),
            "Ottoman": (0, 1),
            "Shelf": (1, 4),
            "SideTable": (1, 2),
            "Sofa": (1, 2),
            "TVStand": (0, 1),
        },
    ),
    "bedroom": RoomKind(
        301,
        {
            "ArmChair": (0, 1),
            "Bed": (1, 2),
            "Cabinet": (0, 2),
            "Desk": (0, 2),
            "Drawer": (3, 6),
            "Dresser": (0, 1),
            "GarbageCan": (1, 1),
            "LaundryHamper": (0, 1),
            "Safe": (0, 1),
            "Shelf": (1, 4),
            "SideTable": (1, 2),
        },
    ),
    "bathroom": RoomKind(
        401,
        {
            "BathtubBasin": (0, 1),
            "Cabinet": (2, 4),
            "Cart": (0, 1),
            "CounterTop": (1, 1),
            "Drawer": (0, 4),
            "GarbageCan": (1, 1),
            "HandTowelHolder": (1, 2),
            "Shelf": (0, 2),
            "SinkBasin": (1, 2),
            "Toilet": (1, 1),
            "ToiletPaperHanger": (1, 1),
            "TowelHolder": (1, 2),
        },
    ),
}

SCENES = range(30)
"""Offsets of the scenes of each kind of room; the last few are kept for the unseen split, as in the released data."""
UNSEEN_SCENES = 4

CONTAINS = {
    place: frozenset(things.split())
    for place, things in {
        "ArmChair": "Book Box CellPhone Cloth CreditCard KeyChain Laptop Newspaper Pillow RemoteControl",
        "BathtubBasin": "Cloth DishSponge HandTowel SoapBar",
        "Bed": "Book CellPhone Laptop Pillow",
        "Cabinet": "Book Bowl Box Candle CD Cloth Cup DishSponge Glassbottle HandTowel Kettle Ladle Mug Newspaper Pan PepperShaker"
        " Plate Pot SaltShaker SoapBar SoapBottle SprayBottle TissueBox ToiletPaper Vase WineBottle",
        "Cart": "Candle Cloth DishSponge HandTowel SoapBar SoapBottle SprayBottle TissueBox ToiletPaper",
        "CoffeeMachine": "Mug",
        "CoffeeTable": "Book Bowl Box Candle CellPhone CreditCard KeyChain Laptop Newspaper Pen Pencil Plate RemoteControl Statue"
        " TissueBox Vase Watch",
        "CounterTop": "AlarmClock Apple Book Bowl Bread ButterKnife CD Candle CellPhone Cloth CreditCard Cup DishSponge Egg Fork"
        " Glassbottle HandTowel Kettle KeyChain Knife Ladle Laptop Lettuce Mug Pan Pen Pencil PepperShaker Plate Pot Potato"
        " RemoteControl SaltShaker SoapBar SoapBottle Spatula Spoon SprayBottle Statue TissueBox ToiletPaper Tomato Vase WineBottle",
        "Desk": "AlarmClock Book Bowl Box CD CellPhone Cloth CreditCard KeyChain Laptop Mug Pen Pencil RemoteControl Statue TissueBox"
        " Vase Watch",
        "DiningTable": "AlarmClock Apple Book Bowl Box Bread ButterKnife CD Candle CellPhone Cloth CreditCard Cup DishSponge Egg Fork"
        " Glassbottle Kettle KeyChain Knife Ladle Laptop Lettuce Mug Newspaper Pan Pen Pencil PepperShaker Plate Pot Potato"
        " RemoteControl SaltShaker SoapBottle Spatula Spoon SprayBottle Statue TissueBox Tomato Vase Watch WineBottle",
        "Drawer": "Book ButterKnife CD Candle CellPhone Cloth CreditCard DishSponge Fork HandTowel KeyChain Knife Ladle Newspaper Pen"
        " Pencil PepperShaker RemoteControl SaltShaker SoapBar SoapBottle Spatula Spoon SprayBottle TissueBox ToiletPaper Watch",
        "Dresser": "AlarmClock Book Bowl Box CD Candle CellPhone Cloth CreditCard KeyChain Laptop Mug Newspaper Pen Pencil Plate"
        " RemoteControl SprayBottle Statue TissueBox ToiletPaper Vase Watch",
        "Fridge": "Apple Bowl Bread Cup Egg Glassbottle Lettuce Mug Pan Plate Pot Potato Tomato WineBottle",
        "GarbageCan": "Apple Bread CD Cloth DishSponge Egg HandTowel Lettuce Newspaper Pen Pencil Potato SoapBar SoapBottle"
        " SprayBottle TissueBox ToiletPaper Tomato WineBottle",
        "HandTowelHolder": "HandTowel",
        "LaundryHamper": "Cloth",
        "Microwave": "Apple Bowl Bread Cup Egg Glassbottle Mug Plate Potato Tomato",
        "Ottoman": "Book Box CellPhone CreditCard KeyChain Laptop Newspaper Pillow RemoteControl",
        "Safe": "CD CellPhone CreditCard KeyChain Statue Vase",
        "Shelf": "AlarmClock Book Bowl Box CD Candle CellPhone Cloth CreditCard Cup DishSponge Glassbottle HandTowel Kettle KeyChain"
        " Mug Newspaper Pen Pencil PepperShaker Plate Pot RemoteControl SaltShaker SoapBar SoapBottle SprayBottle Statue TissueBox"
        " ToiletPaper Vase Watch WineBottle",
        "SideTable": "AlarmClock Apple Book Bowl Box Bread ButterKnife CD Candle CellPhone Cloth CreditCard Cup DishSponge Egg Fork"
        " HandTowel Kettle KeyChain Knife Laptop Lettuce Mug Newspaper Pan Pen Pencil PepperShaker Plate Pot Potato RemoteControl"
        " SaltShaker SoapBar SoapBottle Spatula Spoon SprayBottle Statue TissueBox ToiletPaper Tomato Vase Watch WineBottle",
        "SinkBasin": "Apple Bowl ButterKnife Cloth Cup DishSponge Egg Fork Glassbottle HandTowel Kettle Knife Ladle Lettuce Mug Pan"
        " Plate Pot Potato SoapBar Spatula Spoon Tomato",
        "Sofa": "Book Box CellPhone CreditCard KeyChain Laptop Newspaper Pillow RemoteControl",
        "StoveBurner": "Kettle Pan Pot",
        "Toaster": "",
        "Toilet": "Candle Cloth DishSponge HandTowel SoapBar SoapBottle SprayBottle TissueBox ToiletPaper",
        "ToiletPaperHanger": "ToiletPaper",
        "TowelHolder": "Towel",
        "TVStand": "TissueBox",
    }.items()
}

HABITS = {
    "kitchen": {
        "Apple": {"DiningTable": 6, "CounterTop": 2, "Fridge": 1},
        "Bowl": {"Shelf": 6, "Cabinet": 2, "CounterTop": 1},
        "Bread": {"CounterTop": 7, "DiningTable": 2},
        "ButterKnife": {"DiningTable": 6, "CounterTop": 2, "Drawer": 1},
        "Cup": {"SinkBasin": 5, "Shelf": 3, "Cabinet": 1},
        "DishSponge": {"SinkBasin": 6, "CounterTop": 2, "Drawer": 1},
        "Egg": {"Fridge": 4, "CounterTop": 4, "SinkBasin": 1},
        "Fork": {"DiningTable": 5, "Drawer": 2, "SideTable": 2},
        "Glassbottle": {"Shelf": 5, "CounterTop": 3},
        "Kettle": {"StoveBurner": 6, "CounterTop": 2},
        "Knife": {"CounterTop": 6, "Drawer": 2, "SideTable": 1},
        "Ladle": {"CounterTop": 6, "Drawer": 2},
        "Lettuce": {"Fridge": 3, "CounterTop": 5, "DiningTable": 1},
        "Mug": {"CoffeeMachine": 5, "Shelf": 3, "Cabinet": 1},
        "Pan": {"StoveBurner": 7, "CounterTop": 1},
        "PepperShaker": {"Shelf": 5, "CounterTop": 3, "Cabinet": 1},
        "Plate": {"DiningTable": 5, "Shelf": 2, "Cabinet": 2},
        "Pot": {"StoveBurner": 7, "SinkBasin": 1},
        "Potato": {"SinkBasin": 6, "CounterTop": 2, "Fridge": 1},
        "SaltShaker": {"DiningTable": 4, "Shelf": 4, "Cabinet": 1},
        "SoapBottle": {"CounterTop": 6, "GarbageCan": 2, "Cabinet": 1},
        "Spatula": {"CounterTop": 5, "SinkBasin": 2, "Drawer": 1},
        "Spoon": {"SinkBasin": 4, "DiningTable": 3, "Drawer": 2},
        "Tomato": {"GarbageCan": 1, "SideTable": 4, "CounterTop": 5, "Fridge": 1},
        "WineBottle": {"DiningTable": 4, "CounterTop": 3, "Cabinet": 1},
    },
    "living room": {
        "Book": {"CoffeeTable": 5, "Sofa": 2, "Shelf": 2},
        "Box": {"DiningTable": 4, "Sofa": 3, "CoffeeTable": 2},
        "Candle": {"CoffeeTable": 4, "Shelf": 4},
        "CellPhone": {"Sofa": 4, "SideTable": 4, "Drawer": 1},
        "CreditCard": {"ArmChair": 4, "Drawer": 2, "Dresser": 2},
        "DeskLamp": {"SideTable": 1},
        "KeyChain": {"SideTable": 5, "Drawer": 2, "CoffeeTable": 1},
        "Laptop": {"Sofa": 4, "DiningTable": 3, "CoffeeTable": 2},
        "Newspaper": {"ArmChair": 5, "CoffeeTable": 3},
        "Pen": {"SideTable": 5, "Drawer": 2},
        "Pencil": {"SideTable": 4, "Shelf": 3},
        "Pillow": {"Sofa": 6, "ArmChair": 3},
        "RemoteControl": {"Sofa": 5, "CoffeeTable": 3, "Ottoman": 1},
        "Statue": {"Shelf": 7, "Dresser": 2},
        "TissueBox": {"TVStand": 3, "CoffeeTable": 4, "SideTable": 2},
        "Vase": {"Shelf": 6, "DiningTable": 2, "SideTable": 1},
        "Watch": {"CoffeeTable": 4, "SideTable": 3, "Drawer": 1},
    },
    "bedroom": {
        "AlarmClock": {"SideTable": 6, "Shelf": 2, "Desk": 1},
        "Book": {"Bed": 6, "Desk": 2, "Shelf": 1},
        "Bowl": {"Shelf": 5, "Desk": 3},
        "CD": {"Desk": 4, "Shelf": 4, "Drawer": 1},
        "CellPhone": {"Bed": 5, "SideTable": 3, "Drawer": 1},
        "Cloth": {"LaundryHamper": 4, "Dresser": 3, "Drawer": 1},
        "CreditCard": {"Dresser": 4, "Shelf": 3, "Drawer": 2},
        "DeskLamp": {"Desk": 5, "SideTable": 3},
        "KeyChain": {"SideTable": 4, "Dresser": 3, "Safe": 1},
        "Laptop": {"Bed": 5, "Desk": 4},
        "Mug": {"Desk": 5, "SideTable": 3},
        "Pen": {"Desk": 6, "Shelf": 2, "Drawer": 1},
        "Pencil": {"Desk": 4, "Shelf": 4, "Drawer": 1},
        "Pillow": {"Bed": 8, "ArmChair": 1},
        "Statue": {"Shelf": 6, "Dresser": 2},
        "TissueBox": {"SideTable": 5, "Shelf": 2, "Drawer": 1},
        "Vase": {"Shelf": 6, "SideTable": 2},
        "Watch": {"SideTable": 5, "Dresser": 2, "Drawer": 1},
    },
    "bathroom": {
        "Candle": {"Toilet": 4, "CounterTop": 3, "Cart": 2},
        "Cloth": {"BathtubBasin": 6, "CounterTop": 2, "Cabinet": 1},
        "DishSponge": {"SinkBasin": 4, "BathtubBasin": 2, "Cabinet": 1},
        "HandTowel": {"HandTowelHolder": 8, "CounterTop": 1},
        "SoapBar": {"SinkBasin": 6, "BathtubBasin": 2, "CounterTop": 1},
        "SoapBottle": {"CounterTop": 6, "Cart": 2, "Cabinet": 1},
        "SprayBottle": {"CounterTop": 3, "Shelf": 4, "Cabinet": 1},
        "TissueBox": {"CounterTop": 4, "Shelf": 3, "Cart": 2},
        "ToiletPaper": {"Toilet": 6, "Cabinet": 1, "Drawer": 1},
        "Towel": {"TowelHolder": 1},
    },
}
"""For each kind of room, the things in it and how often each kind of place holds them (weights)."""

FIXED = frozenset({"DeskLamp"})
"""What stands in a receptacle but can't be taken."""
_ABLE = {
    "cleanable": "Apple Bowl ButterKnife Cloth Cup DishSponge Egg Fork Kettle Knife Ladle Lettuce Mug Pan Plate Pot Potato SoapBar"
    " Spatula Spoon Tomato",
    "heatable": "Apple Bread Cup Egg Mug Plate Potato Tomato",
    "coolable": "Apple Bowl Bread Cup Egg Lettuce Mug Pan Plate Pot Potato Tomato WineBottle",
    "sliceable": "Apple Bread Egg Lettuce Potato Tomato",
    "toggleable": "DeskLamp",
}
ABLE = {ability: frozenset(things.split()) for ability, things in _ABLE.items()}
"""What can be done to which things, by the planner's names."""
LAMP = "DeskLamp"


class TaskKind(NamedTuple):
    """A type of task: `things` it can be asked for (None: any), `verb` of the operation, `appliance` that does it."""

    things: frozenset[str] | None = None
    verb: str = ""
    appliance: str = ""
    phrases: tuple[str, str] = ("", "")


TASKS = {
    "pick_and_place_simple": TaskKind(phrases=("put a {thing} in {target}.", "put some {thing} on {target}.")),
    "look_at_obj_in_light": TaskKind(phrases=("look at {thing} under the {target}.", "examine the {thing} with the {target}.")),
    "pick_clean_then_place_in_recep": TaskKind(
        ABLE["cleanable"], "clean", "SinkBasin", ("put a clean {thing} in {target}.", "clean some {thing} and put it in {target}.")
    ),
    "pick_heat_then_place_in_recep": TaskKind(
        ABLE["heatable"], "heat", "Microwave", ("put a hot {thing} in {target}.", "heat some {thing} and put it in {target}.")
    ),
    "pick_cool_then_place_in_recep": TaskKind(
        ABLE["coolable"], "cool", "Fridge", ("put a cool {thing} in {target}.", "cool some {thing} and put it in {target}.")
    ),
    "pick_two_obj_and_place": TaskKind(phrases=("put two {thing} in {target}.", "find two {thing} and put them in {target}.")),
}
"""The six types of task; the phrases are the benchmark's wording of their goals."""
