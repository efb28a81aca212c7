"""Plurals of English nouns, and their singulars."""

import re

PAIRED = frozenset(  # a pair of these is one thing
    "scissors jeans pants trousers shorts leggings tights pyjamas pajamas binoculars headphones "
    "earphones sunglasses eyeglasses glasses goggles pliers tweezers tongs spectacles overalls "
    "dungarees slacks chinos briefs underpants panties shears pincers".split()
)
SAME_IN_PLURAL = frozenset(
    "sheep deer reindeer fish moose bison elk salmon trout tuna squid shrimp cattle caribou "
    "buffalo swine species series dice offspring police samurai ninja geisha koi sushi zucchini "
    "broccoli ravioli gnocchi mochi onigiri gyoza panini biscotti pokemon pokémon chassis gallows "
    "barracks crossroads headquarters swiss lynx quail".split()
) | PAIRED - {"glasses"}
SAME_ENDINGS = ("fish", "sheep", "aircraft", "spacecraft", "hovercraft", "watercraft", "starcraft")
IRREGULAR = dict(
    pair.split(":")
    for pair in (
        "people:person children:child mice:mouse geese:goose feet:foot teeth:tooth oxen:ox "
        "wolves:wolf knives:knife leaves:leaf loaves:loaf shelves:shelf halves:half calves:calf "
        "elves:elf scarves:scarf thieves:thief wives:wife hooves:hoof cacti:cactus "
        "wharves:wharf dwarves:dwarf sheaves:sheaf "
        "fungi:fungus octopi:octopus alumni:alumnus hippopotami:hippopotamus nuclei:nucleus "
        "radii:radius syllabi:syllabus gladioli:gladiolus papyri:papyrus colossi:colossus "
        "croci:crocus stimuli:stimulus magi:magus paparazzi:paparazzo "
        "larvae:larva antennae:antenna nebulae:nebula vertebrae:vertebra "
        "bacteria:bacterium criteria:criterion vertices:vertex matrices:matrix "
        "oases:oasis crises:crisis topazes:topaz octopodes:octopus phenomena:phenomenon "
        "formulae:formula passersby:passerby "
        "quizzes:quiz chateaux:chateau bureaux:bureau gateaux:gateau tableaux:tableau"
    ).split()
)
COMPOUND = re.compile(r"([^-]{3,})(-(?:at|in|of|by|up|to)(?:-.+)?)")
LONGEST = max(map(len, IRREGULAR))
# These lose only the s, against the rules for -ies, -oes, -ches, -xes and -uses.
DROP_S = frozenset(
    "cookies brownies smoothies hoodies movies zombies ties neckties pies magpies selfies genies "
    "shoes horseshoes toes canoes oboes moustaches mustaches quiches axes fuses muses caches "
    "birdies doggies foodies rookies hippies calories eyries faeries lies pixies "
    "collies yorkies onesies beanies bowties cuties aches headaches toothaches "
    "hoes foes does floes aloes avalanches psyches".split()
)
NOT_MEN = frozenset(
    "ramen specimen omen stamen abdomen semen regimen acumen lumen cyclamen bitumen amen dolmen "
    "yemen".split()
)
PLURALS_IN_US = frozenset(
    "emus menus gnus tutus haikus bayous caribous gurus sudokus tzus kudus zebus tofus tiramisus "
    "pikachus plateaus bureaus chateaus tableaus gateaus luaus flus yous cebus "
    "mumus snafus bijous impromptus ecus urubus tatus".split()
)
NO_PLURALS_IN_IS = (  # words in -is that are not plurals; `IS_ENDINGS` covers further ones
    "tennis ibis iris pelvis axis debris chassis clematis trellis mantis penis marquis amaryllis "
    "cannabis epidermis paris dennis curtis davis lewis louis travis chris elvis boris memphis "
    "bourgeois patois chamois this his is its tigris osiris artemis "
    "portcullis ambergris haggis anubis adonis lapis praxis hubris"
).split()
IS_ENDINGS = ("asis", "esis", "osis", "itis", "ysis", "polis", "risis")
NO_PLURALS = frozenset(
    "lens gas canvas atlas christmas bias pancreas mars always perhaps sometimes upstairs "
    "downstairs outdoors indoors overseas towards afterwards its hers theirs ours yours news james "
    "charles jones texas kansas vegas dallas athens brussels wales thomas lucas nicholas douglas "
    "adidas hermes levis mercedes achilles hercules alias mathematics physics gymnastics athletics "
    "politics economics graphics aerobics electronics robotics rhinoceros thermos cosmos chaos "
    "asbestos las los les yes hades ares corps biceps triceps sideways lots thanks does goes has "
    "was as us various cyclops herpes aries apres chess minus plus versus previous "
    "fps dpis rpms vs lbs hrs yrs".split()
) | frozenset(NO_PLURALS_IN_IS)


def singular(word: str) -> str:
    """The singular of an English noun; `word` itself if it does not look like a plural."""
    if compound := COMPOUND.fullmatch(word):
        first = singular(compound[1])
        if first != compound[1]:
            return first + compound[2]  # "mothers-in-law"
    for size in range(2, min(LONGEST, len(word)) + 1):
        if word[-size:] in IRREGULAR and word != "pumice":
            return word[:-size] + IRREGULAR[word[-size:]]
    if word.endswith("men") and word not in NOT_MEN:
        return word.removesuffix("men") + "man"
    if not word.endswith("s") or len(word) < 3 or "'" in word or not word[-2].isalpha():
        return word
    if word in SAME_IN_PLURAL or word in NO_PLURALS or word.endswith("ss"):
        return word
    if (word.endswith("us") and word not in PLURALS_IN_US) or word.endswith(IS_ENDINGS):
        return word
    if word.endswith("ses") and word[:-2] in NO_PLURALS:  # "canvases", "irises"
        return word[:-2]
    if word in DROP_S:
        return word.removesuffix("s")
    if word.endswith("ies"):
        return word.removesuffix("ies") + "y"
    us = word.endswith("uses") and not word.endswith("ouses")
    hissing = word.endswith(("oes", "ches", "shes", "xes", "sses", "zzes", "tzes"))
    return word.removesuffix("es" if us or hissing else "s")


def same_in_plural(word: str) -> bool:
    """Whether singular and plural of `word` are the same: "sheep"."""
    return word in SAME_IN_PLURAL or word.endswith(SAME_ENDINGS)


def is_plural(word: str) -> bool:
    """Whether `word` can be a plural: "dogs", "people", "sheep"."""
    return same_in_plural(word) or singular(word) != word
