"""English words and their antonyms: the single words of WordNet 3.0 that its tagged texts contain.

WordNet Release 3.0

This software and database is being provided to you, the LICENSEE, by
Princeton University under the following license.  By obtaining, using
and/or copying this software and database, you agree that you have
read, understood, and will comply with these terms and conditions.:

Permission to use, copy, modify and distribute this software and
database and its documentation for any purpose and without fee or
royalty is hereby granted, provided that you agree to comply with
the following copyright notice and statements, including the disclaimer,
and that the same appear on ALL copies of the software, database and
documentation, including modifications that you make for internal
use or for distribution.

WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved.

THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND PRINCETON
UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES, EXPRESS OR
IMPLIED.  BY WAY OF EXAMPLE, BUT NOT LIMITATION, PRINCETON
UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES OF MERCHANT-
ABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR THAT THE USE
OF THE LICENSED SOFTWARE, DATABASE OR DOCUMENTATION WILL NOT
INFRINGE ANY THIRD PARTY PATENTS, COPYRIGHTS, TRADEMARKS OR
OTHER RIGHTS.

The name of Princeton University or Princeton may not be used in
advertising or publicity pertaining to distribution of the software
and/or database.  Title to copyright in this software, database and
any associated documentation shall at all times remain with
Princeton University and LICENSEE agrees to preserve same.
"""

__all__ = ["ANTONYMS"]

# Each line is a word and its antonyms; each pair stands once, under the word that comes first in the alphabet.
_PAIRS = """
ability inability
able unable
abnormal normal
abolish establish
above below
absence presence
absent present
absolute relative
absorb emit
abstain consume
abstract concrete
abundance scarcity
abundant scarce
accelerate decelerate
acceleration deceleration
accept refuse reject
acceptable unacceptable
acceptance rejection
accidentally deliberately
accompanied unaccompanied
accuracy inaccuracy
accurate inaccurate
acquaintance stranger
acquit convict
act refrain
action inaction
active dormant inactive passive quiet
actively passively
actual potential
acute chronic
add subtract
adequacy inadequacy
adequate inadequate
adequately inadequately
adjective substantive
adjusted unadjusted
admit deny exclude reject
adopted native
adroit maladroit
adult juvenile
advance back recede retreat
advantage disadvantage
advisable inadvisable
aerobic anaerobic
affected unaffected
affirmation reversal
afraid unafraid
aged young
agitate calm
agitation calmness
agree disagree
agreement disagreement
ahead back
alive dead
all no some
allow deny disallow
alternate opposite
amateur professional
ambiguity unambiguity
ambiguous unambiguous
amicable hostile
ample meager
analysis synthesis
analytic synthetic
analyze synthesize
ancestor descendant
anglican nonconformist
angular rounded
anhydrous hydrous
animate inanimate
annual perennial
anode cathode
answer question
antagonistic conciliatory synergistic
antecedent subsequent
anterior posterior
anti pro
antiseptic septic
appear disappear
appearance disappearance
applaud boo
applied theoretical
appreciation depreciation
appropriate inappropriate
approval disapproval
approve disapprove
arm disarm
armament disarmament
armed unarmed
arrive leave
artificial natural
artificially naturally
ascend descend
ascending descending
asleep awake
assemble disassemble
assembly disassembly
assent dissent
asset liability
asymmetrically symmetrically
asymmetry symmetry
atrophied hypertrophied
attach detach
attached detached unattached
attack defend
attend miss
attract repel
attraction repulsion
attractive repulsive unattractive
atypical typical
audible inaudible
aunt uncle
authorized unauthorized
automatic manual
available unavailable
avoid confront
aware unaware
away home
awkward graceful
back front veer
background foreground
backward forward
bad good
badly well
badness goodness
balance imbalance unbalance
bare covered
basic incidental
bear bull
beautiful ugly
beauty ugliness
begin end
beginning end ending middle
believe disbelieve
bend straighten
best worst
better worse worsen
big little small
birth death
black white
blacken whiten
bless curse
blessed cursed
bloodless bloody
blur focus
boil freeze
bold timid
boldness timidity
bore interest
born unborn
borrow lend
bottom side top
bounce clear
bound free
boy girl
boycott patronize
brave cowardly timid
break keep make repair
breakable unbreakable
breathing breathless
bright dull
brighten darken
broadly narrowly
broken unbroken
brother sister
busy idle
buttoned unbuttoned
buy sell
calm stormy
capable incapable
capitalism socialism
capitalistic socialistic
careful careless
carefully carelessly
cash credit
center left right
central peripheral
centralize decentralize
centrally peripherally
cerebral emotional
certain uncertain
certainty uncertainty
certified uncertified
certify decertify
change stay
changed unchanged
charge discharge
charged uncharged
cheap expensive
cheer complain
cheerful depressing
child parent
civilian military
claim forfeit
clarity obscurity
clasp unclasp
clean dirty unclean
clear cloudy opaque
clearheaded confused
clergy laity
clergyman layman
close distant open
closed open
closing opening
coarse fine
coarsely finely
coherent incoherent
cold hot
coldness hotness
collective distributive
colorful colorless
come go
comedy tragedy
comfort discomfort
comfortable uncomfortable
comfortably uncomfortably
common individual uncommon
communicate excommunicate
compact loose
compatible incompatible
competence incompetence
competent incompetent
competition cooperation
competitive noncompetitive
complete incomplete
complex simple
complexity simplicity
complicate simplify
compound simple
compromising uncompromising
con pro
concave convex
conceit humility
concentration dilution distribution
conception misconception
concern unconcern
concerned unconcerned
conditional unconditional
confident diffident
confine free
conform deviate
connect disconnect
connected unconnected
conscious unconscious
consciously unconsciously
conservative liberal
conserve waste
considerable inconsiderable
consistent inconsistent
consonant vowel
consonantal vocalic
constitutional unconstitutional
construction misconstruction
constructive destructive
content discontent
contented discontented
continental intercontinental
continual sporadic
continuance discontinuance
continue discontinue
continuity discontinuity
contract expand
contraction expansion
convenience inconvenience
convenient inconvenient
conveniently inconveniently
conventional nuclear unconventional
converge diverge
convincing unconvincing
cool heat warm
cooperative uncooperative
cork uncork
correct falsify incorrect
courage cowardice
courteous discourteous
cover uncover
covertly overtly
credible incredible
critical uncritical
criticize praise
crooked straight
cry laugh
curly straight
curved straight
danger safety
dangerous safe
dark light
darken lighten
daughter son
day night
dead live living
deaden enliven
deaf hearing
decent indecent
decision indecision
declarative interrogative
declared undeclared
decline improvement
decrease increase
decreasing increasing
deep shallow
defeat victory
defend prosecute
defense offense prosecution
defensive offensive
deficit lead
definite indefinite
deglycerolize glycerolize
delay rush
delicate rugged
demand supply
demote promote
depart stay
dependent independent
depersonalize personalize
deposit withdraw
depress elate
depression elation
deprive enrich
desirable undesirable
despair hope
destroyed preserved
determinate indeterminate
developed undeveloped
differ equal
difference sameness
different same
differentiate integrate
differentiated undifferentiated
difficult easy
difficulty ease
diligent negligent
direct indirect inverse
directly indirectly
disable enable
disabling enabling
discharge enlist
discourage encourage
discriminate indiscriminate
disengage engage
dishonest honest
dishonor honor
disintegrate integrate
dislike like liking
dislodge lodge
disloyalty loyalty
disobedience obedience
disobedient obedient
disobey obey
disorder order
disordered ordered
disorderly orderly
disorganized organized
displeased pleased
disproportionate proportionate
disprove prove
disqualify qualify
disrepute repute
dissatisfaction satisfaction
disservice service
dissimilar similar
dissuade persuade
distal proximal
distinct indistinct
distinguishable indistinguishable
distrust trust
divest invest
divide multiply unite
divided united
docile stubborn
domestic foreign
dominant subordinate
domineering submissive
double single
dove hawk
down up
downgrade upgrade
downstairs upstairs
downstream upstream
downtown uptown
downward upward
dramatic lyric
dress undress
driver nondriver
dry sweet wet
dryness wetness
due undue
dull lively sharp sharpen
dying nascent
early late middle
east west
eastern western
easy uneasy
ebb tide
effectively ineffectively
eligible ineligible
empirical theoretical
empirically theoretically
employed unemployed
employee employer
employment unemployment
emptiness fullness
empty fill full
end middle
enforce exempt
enjoy suffer
enter exit
enthusiastic unenthusiastic
equality inequality
equally unequally
equivalence nonequivalence
erase record
even odd uneven
ever never
evil good
exclude include
exclusive inclusive
existent nonexistent
expected unexpected
experience inexperience
experienced inexperienced
explicit implicit
export import
express local
expressible inexpressible
extensive intensive
exterior interior
external internal
extinguish ignite
extraordinary ordinary
fail manage pass succeed
failure success
fair foul unfair
faithful unfaithful
fall rise
falling rising
false true
falsity truth
familiar strange unfamiliar
fancy plain
far near
fast slow
fasten unfasten
fastened unfastened
fat thin
father mother
favorable unfavorable
feed starve
female male
feminine masculine neuter
femininity masculinity
fertile sterile
few many
fewer more
fidelity infidelity
figurative literal
figuratively literally
figure ground
find lose
finish start
finite infinite
fire hire
first last second
fit unfit
fixed unfixed
flat natural sharp
flatten sharpen
flexible inflexible
float sink
foe friend
fold unfold
follow precede
follower leader
following leading
folly wisdom
foolish wise
foot head
forbid permit
forceful forceless
foreign native
forget mind remember
formal informal
formalism imitation
formally informally
former latter
forte piano
fortunate unfortunate
fortunately unfortunately
forward reverse
found lost
fractional whole
frail robust
free obstruct
frequent infrequent
fresh preserved salty stale
friendly hostile
frivolous serious
front rear
frozen unfrozen
full thin
functional nonfunctional organic
future past present
gain loss reduce
gaseous liquid solid
gather spread
general local particular specific
generalist specialist
generalize specify
generally specifically
geographic magnetic
give take
glad sad
glorious inglorious
gradual steep sudden
grateful ungrateful
gratitude ingratitude
greater lesser
green ripe
gross net
guided unguided
guilt innocence
guilty innocent
hairless hairy
half whole
happily sadly
happiness sadness unhappiness
happy unhappy
hard soft
harden soften
hardened soft
harmful harmless
hate love
have lack miss
head rear tail
headed headless
healthy unhealthy
heaven hell
heavily lightly
heavy light
here there
hesitantly unhesitatingly
heterogeneous homogeneous
heterozygous homozygous
hide show
high low
hit miss
hitch unhitch
hollow solid
hollowness solidity
hopeful hopeless
hopefully hopelessly
horizontal inclined vertical
hospitable inhospitable
host parasite
humane inhumane
humble proud
humility pride
hungry thirsty
hurried unhurried
hurriedly unhurriedly
husband wife
hydrophilic hydrophobic
idle run work
ignore know notice
ill well
illegal legal
illegitimacy legitimacy
illegitimate legitimate
illiterate literate
immaterial material
immature mature
immediate mediate
immobility mobility
immoral moral
immortal mortal
immortality mortality
impaired unimpaired
impartial partial
impatience patience
impatient patient
impatiently patiently
imperfect perfect
imperfectly perfectly
impersonal personal
important unimportant
impossible possible
impotency potency
impotent potent
impractical practical
imprecise precise
impressive unimpressive
improbable probable
improperly properly
impropriety propriety
improved unimproved
impurity purity
inclined vertical
incoming outgoing
indoor outdoor
indoors outdoors
induced spontaneous
inferior superior
inferiority superiority
infield outfield
inflow outflow
initiate uninitiate
injustice justice
inner outer
inorganic organic
insane sane
insanity sanity
insensitive sensitive
inside outside
insignificance significance
insignificant significant
insignificantly significantly
insoluble soluble
instability stability
instrumental vocal
insubstantial substantial
insufficient sufficient
insufficiently sufficiently
intangible tangible
integrated segregated
intelligence stupidity
intelligent unintelligent
intended unintended
intense mild
intentionally unintentionally
interdepartmental intradepartmental
interference noninterference
intermediate terminal
international national
intolerable tolerable
intolerance tolerance
invalid valid
invalidate validate
invariable variable
invisible visible
involuntary voluntary
involved uninvolved
invulnerability vulnerability
invulnerable vulnerable
inward outward
inwardly outwardly
ionic nonionic
irrational rational
irrationally rationally
irregular regular
irregularity regularity
irregularly regularly
irrelevant relevant
irresolute resolute
irresponsibility responsibility
irresponsible responsible
irreverence reverence
irreversible reversible
irritate soothe
issue recall
joint separate
joy sorrow
junior senior
just unjust
keep lose
kind unkind
king queen
known unknown
lady lord
large small
lash unlash
late middle
lax tense
lean rich
least most
left right
lengthen shorten
less more
let prevent
level raise
lie sit stand
like unlike
likely unlikely
limited unlimited
linear planar
lined unlined
linger rush
linguistic nonlinguistic
liquid solid
little much
live recorded
loaded unloaded
loading unloading
local national
location studio
lock unlock
long short
loose tight
loosen stiffen
lose profit win
loser winner
lost saved
loud soft
loudly softly
lower raise
lowered raised
lowland upland
luckily unluckily
lucky unlucky
major minor
majority minority
man woman
married unmarried
masculine neuter
mask unmask
maximal minimal
maximize minimize
maximum minimum
meaningful meaningless
mental physical
merciful merciless
metallic nonmetallic
mistrust trust
misused used
move stay
moving still
multilateral unilateral
multiple single
multiply singly
nadir zenith
naive sophisticated
narrow wide widen
nasty nice
natural sharp supernatural unnatural
necessarily unnecessarily
necessary unnecessary
negative neutral positive
nephew niece
neutral positive
new old worn
no some yes
noisily quietly
noisy quiet
nominal real
nonparticulate particulate
nonpartisan partisan
nonpolitical political
nonresident resident
nonspecific specific
nonvolatile volatile
north south
northern southern
numerical verbal
objective subjective
oblique parallel
obscurity prominence
obverse reverse
occupied unoccupied
off on
official unofficial
offshore onshore
often rarely
old young
oleophilic oleophobic
open shut
opposed unopposed
optimism pessimism
optimistic pessimistic
orthodox unorthodox
other same
out safe
overachievement underachievement
overestimate underestimate
overhead subsurface surface
pack unpack
paid unpaid
pain pleasure
painful painless
particular universal
partly wholly
passing running
past present
patriotic unpatriotic
paved unpaved
peace war
penalty reward
permanently temporarily
pleasant unpleasant
pleasantly unpleasantly
poor rich
popular unpopular
porosity solidity
postwar prewar
poverty wealth
powerful powerless
precede succeed
preceding succeeding
precocious retarded
predictable unpredictable
prefix suffix
preparation resolution
prepared unprepared
primarily secondarily
primary secondary
private public
privately publicly
privileged underprivileged
profane sacred
profound superficial
profundity superficiality
prospective retrospective
proximate ultimate
published unpublished
pull push
purge rehabilitate
qualified unqualified
qualitative quantitative
quickly slowly
ready unready
real unreal
realistic unrealistic
realistically unrealistically
reality unreality
reassure worry
reconstructed unreconstructed
related unrelated
relax tense
relaxed tense
reliable unreliable
religious secular
resist surrender
restricted unrestricted
ride walk
right wrong wrongly
rise set
rough smooth
roughen smooth
roughness smoothness
round square
running standing
rural urban
satisfactory unsatisfactory
saturated unsaturated
scientific unscientific
scramble unscramble
screw unscrew
seated standing
sedate stimulate
selfish unselfish
selfishness unselfishness
separation union
servile unservile
settled unsettled
sharpen soften
sharpness softness
shaven unshaven
short tall
shout whisper
shrink stretch
side top
signed unsigned
silence sound
sink source
sit stand
sleep wake
smart stupid
smilingly unsmilingly
solved unsolved
sour sweet
sparkling still
spoken written
stable unstable
stained unstained
stand yield
start stop
steadily unsteadily
stifle stimulate
strength weakness
strengthen weaken
stressed unstressed
strong weak
strongly weakly
structured unstructured
subsurface surface
successful unsuccessful
succumb survive
suitably unsuitably
sympathetic unsympathetic
tame wild
tender tough
thematic unthematic
thick thin
thicken thin
thickly thinly
thickness thinness
thoughtful thoughtless
thrifty wasteful
tie untie
touched untouched
unusual usual
unveil veil
unwelcome welcome
unwilling willing
unwillingness willingness
unwind wind
unwire wire
unwittingly wittingly
unworthy worthy
unwrinkled wrinkled
unwritten written
useful useless
usefulness uselessness
valuable worthless
vernal wintry
virtuous wicked
wane wax
waning waxing
worth worthlessness
"""


def _both_ways(lines: str) -> dict[str, frozenset[str]]:
    antonyms: dict[str, set[str]] = {}
    for line in lines.split("\n"):
        first, *others = line.split() or [""]
        for other in others:
            antonyms.setdefault(first, set()).add(other)
            antonyms.setdefault(other, set()).add(first)
    return {word: frozenset(others) for word, others in antonyms.items()}


ANTONYMS = _both_ways(_PAIRS)
"""For each word its antonyms."""
