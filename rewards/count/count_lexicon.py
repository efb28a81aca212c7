"""Word lists for reading counts: words that end a phrase, that describe, that are verbs.

This file holds only data. A missing word makes the reader refuse a prompt; it never guesses.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARTICLES = _words("a an another")
DETERMINERS = _words(
    "the this that these those his her their its my our your whose both all any every each"
)
VAGUE = _words("some few several many multiple various numerous lots countless")
DIRECTIONS = _words("left right top bottom front back")  # places, or adjectives: "two left shoes"
BREAKS = DIRECTIONS - {"back"} | _words(
    "and or nor but with plus without on in at against over above under below beneath underneath "
    "beside besides between behind near by next to from inside outside into onto upon atop around "
    "about for as through throughout across along alongside among amongst amid amidst towards "
    "toward opposite during within beyond via per than like unlike while whilst because when where "
    "until since after before except then so yet versus vs off past up out if instead featuring "
    "showing including containing depicting w"
)
PLACING = _words("on in at against around across onto upon atop over along through into off inside")
# A digit after one of these words begins a count, although they do not end a phrase.
OPENERS = _words(
    "of just only exactly precisely exact than last first next other same there not about roughly "
    "nearly almost approximately maximum minimum also see sees show shows me"
)
INEXACT = _words(
    "about approximately approx roughly nearly almost circa maybe perhaps possibly twice double ~"
)
INEXACT |= set("≈<>≤≥±")
INEXACT_PAIRS = {
    *[(more, "than") for more in ("more", "less", "fewer", "greater", "rather", "other")],
    ("at", "least"), ("at", "most"), ("up", "to"), ("instead", "of"),
}  # fmt: skip
DENIED = _words("not except minus excluding unlike never")
NAME_HEADS = _words(  # "route 66", "formula one": the number is part of the name
    "formula route highway interstate number no num nr no. level chapter part episode volume vol "
    "version apollo boeing airbus iphone ipad galaxy windows playstation xbox nintendo model type "
    "mark class grade area district sector gate studio engine iso portra ektar top player channel "
    "catch category size stage phase season act scene page figure fig step psalm agent zone "
    "platform track "
    "january february april june july august september october november december jan feb apr jun "
    "jul aug sep sept oct nov dec"
)
NAME_HEADS_THAT_ACT = _words("catch grade stage mark track model")  # "cats catch three mice"
CURRENCIES = frozenset("$€£¥")
# A number before one of these words is not a count: "at 5 pm", "a 6 year old girl".
MEASURES = _words(
    "am pm o'clock year years month months week weeks day days decade decades century centuries "
    "hour hours minute minutes second seconds sec secs min mins fps hz khz ghz mhz mm cm m km nm "
    "px d pcs kg g lb lbs oz ml mph kmh k ft inch inches meter meters metre metres mile miles "
    "kilometer kilometers centimeter centimeters millimeter millimeters pixel pixels "
    "megapixel megapixels mp iso percent degrees degree dollars euros bucks times "
    "january february april june july august september october november december"
)
FRACTIONS = _words("third thirds half halves quarter quarters fifths tenths")
UNITS = _words("feet foot stories storeys floors heads blocks")  # measures where a size follows
SIZES = _words("tall long wide deep thick old ago later high")
GLUED_UNITS = MEASURES | _words("st nd rd th x d dpi rpm mah watt watts kbps mbps mbs gbs hrs yrs")

MEDIA = _words(
    "photo photograph picture image illustration render rendering view shot style scene closeup "
    "close-up portrait wallpaper screenshot"
)
MADE_THINGS = _words("painting drawing sketch canvas paper poster")  # the image or a thing in it
SURFACES = _words("table desk")
GROUNDS = _words("background backdrop ground sky floor wall surface")
PLACES = _words(
    "landscape desert beach field forest meadow street road sea ocean lake river park garden room "
    "kitchen city village sunset sunrise dawn dusk day night bathroom bedroom classroom office "
    "garage attic basement library museum playground farm jungle yard backyard zoo town valley "
    "pasture campsite restaurant cafe countryside"
)
ABSTRACT = _words(  # nothing that a detector can find: "created a festive atmosphere"
    "ambiance ambience atmosphere mood vibe feeling feel sense lot bit little way while moment "
    "time distance hurry walk run ride stroll swim nap rest break chat conversation discussion "
    "meeting party celebration picnic gathering feast tour trip journey race competition contest "
    "game match performance concert show tune melody song rhythm sound harmony mystery story tale "
    "message surprise touch charm effect look glance smile pose manner fashion kind type sort "
    "variety hint amount number pair fight battle war dance speech lesson test life home future "
    "past angle perspective composition resolution quality lighting contrast depth focus blur "
    "glow mess adventure dream recipe family collection arrangement formation pattern symmetry "
    "duel nutshell bite birthday holiday vacation hike career course kick talk photoshoot frown"
)
FIRM_ABSTRACT = _words("side end way time day moment point step morning evening afternoon night")
ARRANGEMENTS = _words(
    "row line circle pile heap stack group queue column pyramid triangle square cluster bunch "
    "semicircle ring grid crowd pack herd flock"
)
LIMBS = _words("hand arm leg foot knee paw shoulder side eye")
PRONOUNS = _words("other others one ones another them us thing things")

ADJECTIVES = _words(
    "big small large tiny huge little tall short long young old new cute ugly pretty beautiful "
    "handsome fluffy furry shiny bright dark pale deep heavy thick thin fat slim skinny wide "
    "narrow high low hot cold warm cool wet dry clean dirty fresh ripe rotten raw soft hard "
    "smooth rough sharp blunt happy sad angry sleepy hungry lazy busy scary spooky creepy funny "
    "silly crazy strange weird odd rare real fake rich poor strong weak fast slow quick quiet "
    "loud brave shy kind gentle calm wild tame cozy cosy rustic vintage retro modern ancient "
    "medieval classic elegant simple plain fancy colorful colourful vivid vibrant dramatic "
    "cinematic epic majestic magical mythical mystical magnificent gigantic massive enormous "
    "colossal mini round oval curly straight hairy bald bearded blond sweet sour bitter spicy "
    "salty juicy crunchy crispy creamy delicious tasty wooden golden woolen woollen silken leafy "
    "grassy snowy rainy sunny cloudy foggy misty stormy windy icy frosty muddy dusty sandy rocky "
    "mossy empty full open whole single lone solitary lonely identical different similar same "
    "separate distinct perfect intricate detailed ornate exquisite delicate lovely friendly "
    "lively elderly adorable chubby plump muscular slender sleek glossy matte transparent "
    "translucent metallic electric realistic photorealistic surreal abstract minimal minimalist "
    "futuristic gothic tropical exotic arctic traditional typical ordinary common natural "
    "artificial organic royal regal noble holy sacred haunted evil good bad great nice fine "
    "amazing stunning gorgeous wonderful fantastic incredible awesome cheerful playful mysterious "
    "romantic dreamy serene peaceful tranquil festive colossal lit asleep awake alive dead sick "
    "healthy extra additional more second third fourth proud sparkly glittery striped spotted "
    "bushy chunky hollow solid flat steep broken frozen fallen worn torn hidden burnt pastel neon "
    "monochrome tan beige ivory maroon navy magenta crimson scarlet indigo silver gold black "
    "white grey gray dual double triple professional close-up upright weathered photo-realistic "
    "highly very"
)
STRIPPED = _words("more other extra additional second third fourth single lone solitary exact")
POSTPOSITIVE = _words("asleep awake alone afloat ablaze aglow alive ajar aloft adrift aboard")
ADVERBS = _words(
    "away together outdoors indoors here there too nearby upside upstairs downstairs side-by-side "
    "overhead everywhere down back again now only also ever never always still just not both "
    "alone apart ahead forward backwards else each all sideways upright high aside"
)
NOUNS_IN_LY = _words("family butterfly fly dragonfly firefly jelly belly lily dolly ally italy")
ADJECTIVES_IN_LY = _words(
    "friendly lovely ugly curly silly elderly woolly prickly lonely lively sparkly wrinkly bubbly "
    "cuddly holy jolly oily early burly chilly hilly smelly scaly wobbly ghostly"
)
NOUNS_IN_ED = _words(
    "bed seed weed reed sled shed steed breed bobsled newlywed flatbed seaweed ped"
)
THINGS_IN_ING = _words(
    "ring earring king viking wing string spring swing painting drawing building pudding ceiling "
    "duckling gosling seedling dumpling stocking railing starling awning sibling hatchling darling "
    "sterling sling sapling clothing frosting icing herring being lightning morning evening "
    "nothing something wedding crossing landing"
)
ACTS_TOO = _words("painting drawing building swing ring")  # verbs after a person: "a man painting"
ATTRIBUTES_IN_ING = _words(
    "dining racing sleeping swimming washing sewing running wedding boxing fishing rocking cutting "
    "frying baking shopping parking reading writing living walking rolling vending ironing chewing "
    "sailing mixing measuring wrapping cooking drinking flying hiking climbing riding training "
    "engagement sparkling working shaving cleaning steering"
)
COMPOUND_IN_ED = _words(  # "a flower patterned dress"
    "covered patterned shaped sized colored coloured themed inspired filled powered framed topped "
    "coated lined flavored flavoured striped stuffed capped dipped printed glazed infused roasted "
    "decorated headed legged eyed winged tailed armed trimmed scented plated layered based"
)
# "a hand carved box"
PARTS_BEFORE_ED = _words("hand home sun machine pan oven wood deep fire stone")
AUXILIARIES = _words(
    "is are was were be been being has have had can could will would shall should may might must "
    "do does did isn't aren't that which who whom that's it it's they he she i you we"
)
# Past forms and base forms that are hardly ever part of a thing's name.
PAST = _words(
    "sat ran stood flew swam ate held slept hung grew shone sang fought wore rode drove threw "
    "caught stuck came went got took gave made brought built kept fell found drank drew wrote lit "
    "swung taught told thought woke won became began blew broke met sold spoke spent stole sank "
    "sprang swept understood rang lay led put lost bought sought crept leapt knelt wept dug fed "
    "fled forgot froze hid knew laid meant paid rose said sent shook slid spun sprung strode swore "
    "tore"
)
BOTH_PAST = _words("lost lit stuck made built hung rose torn spun laid fed led")
PAST_OR_THING = _words("saw felt rose set cut shot hit read bit wound bore cast spread split")
BASE_VERBS = _words(
    "sit eat sleep chase graze hold carry wear gather bring surround wag roam devour enjoy "
    "decorate fill adorn provide create entertain accompany cling perch lean kneel crawl swim "
    "sing bake stare gaze attend complete clutter cross contain include perform illuminate juggle "
    "lie wander wait give take make catch throw become seem follow explore examine pull push"
)
VERBS_OR_THINGS = _words(
    "stand walk run play fight dance race rest swing drink cook watch fish ride jump climb drive "
    "look show share float hide work smile laugh talk attack guard land bark fly hang kick kiss "
    "hug pose hunt travel visit study read paint draw build cut surf ski skate row sail march "
    "parade help need want love like lift toss greet face near support block feature sport shine "
    "bloom grow stretch hop leap hover circle drop blow use"
)
THINGS_MORE = _words("swing show guard ring box stamp")  # more often nouns than verbs
VERBS = BASE_VERBS | VERBS_OR_THINGS
DOERS = _words(
    "man woman boy girl child kid baby toddler person guy lady gentleman king queen prince "
    "princess knight soldier warrior wizard witch robot android astronaut doctor nurse teacher "
    "student chef farmer player dancer singer musician artist painter clown pirate ninja samurai "
    "monk nun priest angel demon vampire zombie ghost alien monster dragon unicorn dog puppy cat "
    "kitten horse pony cow bull pig sheep goat lamb lion tiger bear panda elephant giraffe zebra "
    "monkey gorilla ape fox wolf rabbit bunny hare deer moose squirrel mouse rat hamster bird "
    "parrot owl eagle penguin duck swan goose chicken rooster hen turkey pigeon crow fish shark "
    "whale dolphin octopus frog turtle tortoise snake lizard crocodile dinosaur butterfly bee "
    "camel llama donkey raccoon koala kangaroo hedgehog corgi mother father mom dad brother "
    "sister son daughter couple teenager adult human elf dwarf fairy mermaid giant goldfish other"
)
ATTRIBUTIVE_PLURALS = _words(
    "sports arms goods customs savings sales news clothes games darts drinks antiques billiards "
    "mens womens kids ladies jeans glasses cards"
)

# Numerals of other languages that are not English words, and other words of these languages.
FOREIGN_NUMERALS = _words(
    "zwei drei vier fünf fuenf sechs sieben acht neun zehn zwölf zwoelf "
    "deux trois quatre cinq sept huit neuf dix onze douze "
    "dos tres cuatro cinco seis siete ocho nueve diez doce "
    "due tre quattro cinque sette nove dieci undici dodici "
    "dois duas três quatro oito dez doze twee drie vijf zes zeven negen tien twaalf "
    "dwa dwie trzy cztery pięć två fyra fem sju åtta nio tio to tre fire"
) - {"due", "to", "fire", "fem"}
FOREIGN_WORDS = _words("und eine einen einem einer ein une avec dans una unos unas sobre")
FOREIGN_PLURALS = _words(
    "chats chiens oiseaux pommes femmes hommes enfants fleurs arbres maisons livres chaises "
    "chevaux voitures filles garçons poissons lapins verres tasses assiettes bougies ballons "
    "bateaux moutons vaches cochons souris ours éléphants singes étoiles bouteilles chapeaux "
    "papillons canards poules oeufs œufs vélos avions gâteaux fraises citrons gatos gatas perros "
    "perras pájaros manzanas niños niñas hombres mujeres coches carros flores árboles casas "
    "libros sillas mesas caballos vacas cerdos ovejas conejos peces patos globos velas tazas "
    "botellas barcos aviones bicicletas estrellas sombreros mariposas huevos naranjas limones "
    "fresas plátanos pelotas ratones elefantes leones tigres osos pollos gallinas ranas cachorros "
    "pássaros maçãs meninos meninas homens mulheres cavalos árvores livros cadeiras coelhos "
    "peixes copos garrafas"
)
