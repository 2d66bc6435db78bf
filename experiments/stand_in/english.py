"""The words that the stand-in knows: verbs, prepositions and negation, and no household."""


def words(listed: str) -> frozenset[str]:
    """Words set apart by blanks."""
    return frozenset(listed.split())


SEEK = words(
    """take takes taken taking find finds found finding keep keeps kept see sees seen look looks looking search searches searched
    searching check pick picks picked grab get gets stored stays lies lie stands sits hold holds held contain contains contained
    expect expected"""
)
PUT = words("put puts putting place places placed move moves moved moving drop bring brings carry carries deliver goes belongs")
GO = words("go walk visit head turn")
OPEN = words("open opens opened opening")
USE = words("use uses used using")
BE = words("is are was were be did does do has have had can works work worked")
OPERATIONS = {
    **dict.fromkeys(words("heat heats heated heating warm warms warmed warming"), "heat"),
    **dict.fromkeys(words("cool cools cooled cooling chill chills chilled chilling"), "cool"),
    **dict.fromkeys(words("clean cleans cleaned cleaning wash washes washed washing rinse rinses rinsed rinsing"), "clean"),
}
"""Operation by verb form."""
STATES = {"hot": "heat", "cold": "cool"}
"""Operation by the state that it brings about, where the word is not the verb's own."""
BEFORE_ADJECTIVE = words("a an the some two second other is are be")
"""After these, "clean" and "cool" are no verbs."""
AT = words("in on at from inside under near")
TOWARDS = words("to into")
BY = words("with by")
NOT = words("not never no cannot avoid without neither nor than")
"""Deny what follows."""
IN_VAIN = words("vain nothing useless needless fails fail failed wasted waste misled wrong false")
"""Deny the whole clause."""
ALIASES = {"sink": "sinkbasin", "bathtub": "bathtubbasin", "stove": "stoveburner", "counter": "countertop"}
"""Everyday names of kinds whose names in games are longer."""
FUNCTION_WORDS = words(
    """a an the some any in on to of for with from under into onto and or then it them its this that is are be was were
    put puts place move find get take go use do does your you task which where how what as by at"""
)
"""They say little of what a sentence is about."""
