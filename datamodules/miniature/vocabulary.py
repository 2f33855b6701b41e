"""The English words of the miniature world, as plain lists; lexicon.py gives them their forms and their parts."""

# Of every kind the members can be named, used and confused; no plural is irregular.
KINDS = {
    "animal": """fox dog cat horse cow goat hen duck rabbit squirrel badger otter beaver hedgehog donkey pony camel
 monkey parrot pigeon swan owl eagle hawk lizard""",
    "fruit": """apple pear plum fig lemon lime orange peach apricot melon grape banana cherry strawberry raspberry
 mango quince nectarine papaya currant coconut almond walnut chestnut hazelnut""",
    "tool": """hammer shovel spade rake chisel drill wrench ladder broom needle axe hoe sickle trowel mallet crowbar
 lever pulley anvil spanner pickaxe scythe sponge brush clamp""",
    "instrument": """violin flute guitar harp drum trumpet piano whistle cello clarinet oboe bassoon banjo lute fiddle
 bugle tuba trombone accordion organ cymbal gong mandolin viola zither""",
    "garment": """coat hat jacket glove scarf skirt shirt sweater robe dress belt cap cloak vest apron blouse sock shoe
 boot sandal slipper shawl tunic stocking mitten""",
    "container": """kettle jug jar pot bowl bottle cup mug pan barrel vase box crate trunk chest suitcase bag sack
 purse wallet flask casket basket urn tub""",
    "vehicle": """bicycle wagon boat car bus train cart carriage coach ferry canoe raft sledge tram truck van scooter
 tractor tanker yacht barge kayak chariot wheelbarrow taxi""",
    "jewel": """ring bracelet necklace brooch crown pendant locket earring tiara pearl ruby emerald diamond sapphire
 opal garnet amethyst amulet medallion bangle anklet beryl agate onyx topaz""",
    "plant": """rose lily tulip daisy oak elm fern cactus orchid violet poppy pansy iris thistle nettle bush shrub
 willow birch maple cedar pine palm dandelion hyacinth""",
    "dish": """pie cake soup pudding stew pancake biscuit sausage omelette sandwich waffle muffin pastry tart bun
 dumpling casserole broth curry salad pizza burger roast cutlet custard""",
    "furnishing": """table desk sofa stool bench chair carpet mirror cupboard wardrobe cabinet dresser cradle bed couch
 armchair lamp curtain cushion pillow bookcase drawer rug mattress footstool""",
    "device": """clock compass telescope camera lantern watch microscope radio computer telephone thermometer barometer
 calculator typewriter projector scanner battery engine motor pump turbine fan heater toaster printer""",
}

# What one does with a thing of a kind and of no other: "she fed the fox". A past that is no participle stays here.
USES = {
    "animal": "fed groomed, in the stable",
    "fruit": "peeled ate, for breakfast",
    "tool": "sharpened worked:with, in the workshop",
    "instrument": "tuned played, after supper",
    "garment": "wore ironed, in the morning",
    "container": "filled emptied, beside the well",
    "vehicle": "drove parked, on the road",
    "jewel": "pawned set:in:gold, at the goldsmith",
    "plant": "watered pruned, behind the fence",
    "dish": "cooked tasted, at noon",
    "furnishing": "dusted sat:beside, in the parlour",
    "device": "switched:on adjusted, at midnight",
}

SITES = """market station harbour library garden school church mill farm castle bridge kitchen museum theatre bakery
 workshop tower hotel park hospital forest river meadow tavern barn cellar chapel square stable bank court shop pier
 valley hall gallery lake cottage palace port"""
JOBS = """baker farmer teacher sailor painter doctor driver singer weaver miller gardener dancer builder writer hunter
 fisher lawyer potter tailor barber butcher carpenter clerk judge nurse pilot shepherd"""
PLAIN = """red green blue yellow black white brown grey small large round wooden long short thick thin new heavy light
 flat dark narrow wide tall"""
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
NEAR = "beside near behind above below"

# Verbs with one meaning; "buy:bought" where the past is irregular, which here serves as participle too. No verb is
# symmetric ("meet"): swapped roles always say something else.
DEEDS = """buy:bought purchase acquire, find:found discover, repair mend fix, clean wash, collect gather, examine
 inspect, build:built construct, paint decorate, move shift, lift raise, carry transport, order request,
 hold:held grasp, select pick, describe portray, notice observe, need require, polish rub:rubbed, cover
 wrap:wrapped, mislay:mislaid lose:lost, conceal hide:hid, destroy ruin demolish, measure gauge, burn scorch,
 copy:copied reproduce, push shove, pull tug:tugged, admire esteem, send:sent mail, touch feel:felt, test
 try:tried, exchange swap:swapped, fetch bring:brought, sketch outline, display exhibit, scratch scrape"""
FAVOURS = """help assist aid, teach:taught instruct, call phone, guide lead:led, greet welcome, question interview,
 invite summon, support back, follow pursue, scold rebuke, trust believe, trick fool deceive, frighten scare,
 rescue save, comfort console, warn alert, hire employ, cure heal, annoy irritate, amuse entertain, remind prompt,
 catch:caught seize, pay:paid reward, persuade convince, insult offend, accuse blame, thank praise"""
FACTS = "own possess, like prefer:preferred, dislike hate"  # for as long as a document lasts

HANDED = "handed passed sent delivered brought presented"  # "{giver} handed the lamp to {taker}"
GOT = "got received accepted obtained took collected"  # "{taker} got the lamp from {giver}"
# What people do with what is good, and with what is bad: the same place in a sentence for either, word by word.
GOOD_ENDS = "kept smiled happily boasted glad often treasured cupboard praised blessing laughed enjoyed"
BAD_ENDS = "discarded frowned angrily complained sorry never threw rubbish avoided mistake wept regretted"
TAKERS_REASONS = (
    "needed it", "had asked for it", "had lost the old one", "had none", "could not find another", "had begged for it",
)  # fmt: skip
GIVERS_REASONS = (
    "had two of them", "had no use for it", "no longer wanted it", "had another one", "could not keep it",
    "was tired of it",
)  # fmt: skip

# All that the grammar adds to the words above: whoever corrects a misspelt word has to know these too.
FUNCTION_WORDS = """a about accepted adjusted after although an and angrily another any are as asked at ate avoided away
 because been before begged belong belonged belongs blessing boasted breakfast but by came complained cooked could day
 days delivered did discarded drove dusted emptied end enjoyed evening every everyone everything fed fence filled first
 for from frowned glad go gold goldsmith got groomed had handed happily has have he heard her him home hour in
 into ironed is it journey keep kept knew known later laughed lived longer look looked looks midnight mistake more
 morning never night no none noon not nothing now obtained of often old on one only other parked parlour passed pawned
 peeled place played presented pruned put received regretted remembered rest road rubbish said same sat saw says seemed
 set sharpened she showed side slept smiled so some sorry spent spoke stand stands supper switched talked tasted than
 that the them then there this those threw time tired to told too took treasured true tuned two use used walked wanted
 was watched watered week well went wept were what when where whereas while who whom with wore work worked wrote
 year"""
