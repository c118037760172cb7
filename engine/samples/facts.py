"""Facts about people and places, and how English says and asks them.

Each attribute has at least eight statements and three questions. A question's form is the same for every fact, so a
model that learnt the forms on some facts can be asked about others.
"""

import random
from dataclasses import dataclass

from engine.samples.names import Pool

PLACE_KINDS = "library bakery museum mill school market inn garden station workshop clinic theatre chapel brewery".split()
GOODS = (
    "apples candles cheese honey lamps maps paper pots ropes salt shoes soap spoons tea wool bells boots bread brushes "
    "buttons cups drums figs flour gloves hats herbs ink kites knives milk nails nuts plums rugs seeds silk socks toys vases"
).split()
JOBS = (
    "baker carpenter clerk cook doctor farmer fisher gardener guard guide judge mason miller nurse painter pilot porter "
    "potter sailor singer smith tailor teacher weaver writer"
).split()
FOODS = (
    "apple pie|barley soup|bean stew|beetroot|black bread|blue cheese|carrot cake|chestnuts|dumplings|fig jam|fried fish|"
    "goat cheese|hazelnuts|honey cake|leek soup|lentils|mushrooms|oat bread|onion pie|pancakes|pea soup|pears|pickles|"
    "plum cake|porridge|pumpkin|radishes|rice pudding|roast corn|sausages|smoked eel|spinach|turnips|walnut bread"
).split("|")
INSTRUMENTS = "bagpipe bassoon cello clarinet drum fiddle flute guitar harp horn lute oboe organ piano trumpet viola".split()
PETS = "badger cat crow dog donkey duck ferret goat goose hare hen mouse owl parrot pony rabbit raven sheep snail toad".split()


@dataclass(frozen=True)
class Attribute:
    """One thing that can be known of a subject. ``{s}`` stands for the subject and ``{v}`` for the value."""

    name: str
    of: str  # "place" or "person"
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    answer: str  # the shortest right answer
    sentence: str  # the same as a whole sentence


@dataclass(frozen=True)
class Fact:
    """A value of one attribute of one subject, such as the opening hour of the library in Oakford."""

    subject: str
    attribute: Attribute
    value: str

    def state(self, rng: random.Random) -> str:
        """The fact as one sentence, in one of its wordings."""
        return self.word(rng.choice(self.attribute.statements))

    def ask(self, rng: random.Random) -> str:
        """A question whose answer is this fact's value."""
        return self.word(rng.choice(self.attribute.questions))

    def word(self, form: str) -> str:
        """``form`` with subject and value put in, beginning with a capital."""
        text = form.format(s=self.subject, v=self.value)
        return text[0].upper() + text[1:]

    @property
    def answer(self) -> str:
        return self.attribute.answer.format(v=self.value)


def _attribute(name: str, of: str, sentence: str, statements: str, questions: str, answer: str = "{v}") -> Attribute:
    def lines(text: str) -> tuple[str, ...]:
        return tuple(line.strip() for line in text.strip().splitlines())

    return Attribute(name, of, lines(statements), lines(questions), answer, sentence)


ATTRIBUTES = {
    a.name: a
    for a in (
        _attribute(
            "opens",
            "place",
            "{s} opens at {v}.",
            """{s} opens at {v}.
            {s} opens its doors at {v}.
            the doors of {s} open at {v}.
            each morning {s} opens at {v}.
            from {v} on {s} is open.
            the opening hour of {s} is {v}.
            you can visit {s} from {v}.
            at {v} the day begins at {s}.
            nobody is let in to {s} before {v}.""",
            """when does {s} open?
            at what time does {s} open?
            what is the opening hour of {s}?
            from what time is {s} open?""",
        ),
        _attribute(
            "closes",
            "place",
            "{s} closes at {v}.",
            """{s} closes at {v}.
            {s} shuts its doors at {v}.
            the doors of {s} close at {v}.
            each evening {s} closes at {v}.
            after {v}, {s} is closed.
            the closing hour of {s} is {v}.
            you can stay at {s} until {v}.
            at {v} the day ends at {s}.
            everybody must leave {s} by {v}.""",
            """when does {s} close?
            at what time does {s} close?
            what is the closing hour of {s}?
            until what time is {s} open?""",
        ),
        _attribute(
            "built",
            "place",
            "{s} was built in {v}.",
            """{s} was built in {v}.
            {s} dates from {v}.
            in {v} people built {s}.
            the first stone of {s} was laid in {v}.
            {s} has stood since {v}.
            a sign at {s} shows the year {v}.
            the history of {s} begins in {v}.
            it was {v} when {s} was built.""",
            """when was {s} built?
            in which year was {s} built?
            what year does {s} date from?""",
        ),
        _attribute(
            "keeper",
            "place",
            "{v} runs {s}.",
            """{v} runs {s}.
            {s} is run by {v}.
            {v} is the keeper of {s}.
            the keeper of {s} is called {v}.
            at {s} the person in charge is {v}.
            {v} looks after {s}.
            {s} is in the hands of {v}.
            ask for {v} at {s}.
            the keys of {s} are kept by {v}.""",
            """who runs {s}?
            who is the keeper of {s}?
            who looks after {s}?
            who is in charge of {s}?""",
        ),
        _attribute(
            "sells",
            "place",
            "{s} sells {v}.",
            """{s} sells {v}.
            you can buy {v} at {s}.
            {s} is known for its {v}.
            people go to {s} for {v}.
            nobody has finer {v} than {s}.
            at {s} you find {v} for sale.
            {s} makes and sells {v}.
            in the window of {s} you see {v}.""",
            """what does {s} sell?
            what can you buy at {s}?
            what is {s} known for?""",
        ),
        _attribute(
            "job",
            "person",
            "{s} works as a {v}.",
            """{s} works as a {v}.
            {s} is a {v}.
            {s} earns a living as a {v}.
            the trade of {s} is that of a {v}.
            {s} has long been a {v}.
            by trade {s} is a {v}.
            everybody knows {s} as a {v}.
            {s} learnt to be a {v}.
            {s} became a {v}.""",
            """what is the job of {s}?
            what does {s} work as?
            what is the trade of {s}?""",
        ),
        _attribute(
            "home",
            "person",
            "{s} lives in {v}.",
            """{s} lives in {v}.
            the home of {s} is in {v}.
            {s} has a house in {v}.
            {s} comes from {v}.
            {s} moved to {v}.
            you will find {s} in {v}.
            {v} is where {s} lives.
            {s} settled in {v}.""",
            """where does {s} live?
            in which town does {s} live?
            where is the home of {s}?""",
        ),
        _attribute(
            "age",
            "person",
            "{s} is {v} years old.",
            """{s} is {v} years old.
            {s} is {v}.
            the age of {s} is {v}.
            {s} has turned {v}.
            at {v}, {s} is full of plans.
            {s} was born {v} years ago.
            {s} has reached the age of {v}.
            {s} has seen {v} summers.""",
            """how old is {s}?
            what is the age of {s}?
            how many years old is {s}?""",
        ),
        _attribute(
            "food",
            "person",
            "{s} likes {v} best.",
            """{s} likes {v} best.
            the favourite food of {s} is {v}.
            {s} loves to eat {v}.
            nothing tastes better to {s} than {v}.
            {s} would eat {v} every day.
            for supper {s} always wants {v}.
            {s} is very fond of {v}.
            give {s} some {v} and all is well.""",
            """what does {s} like to eat best?
            what is the favourite food of {s}?
            what food does {s} love?""",
        ),
        _attribute(
            "plays",
            "person",
            "{s} plays the {v}.",
            """{s} plays the {v}.
            {s} learnt to play the {v}.
            in the evening {s} plays the {v}.
            the instrument of {s} is the {v}.
            {s} owns a fine {v}.
            {s} plays the {v} at every feast.
            you can hear {s} on the {v}.
            on Sundays {s} takes out the {v}.""",
            """what instrument does {s} play?
            what does {s} play?
            which instrument does {s} own?""",
        ),
        _attribute(
            "pet",
            "person",
            "{s} keeps a {v}.",
            """{s} keeps a {v}.
            {s} has a {v} at home.
            the pet of {s} is a {v}.
            {s} shares the house with a {v}.
            {s} never goes out without a {v}.
            a {v} lives with {s}.
            {s} found a {v} and kept it.
            {s} feeds a {v} every morning.""",
            """what pet does {s} have?
            which animal does {s} keep?
            what animal lives with {s}?""",
        ),
    )
}


def clock(rng: random.Random, first: int, last: int) -> str:
    """A time of day on a quarter of an hour, such as ``8:15``, with ``first <= hour <= last``."""
    return f"{rng.randint(first, last)}:{rng.choice(('00', '15', '30', '45'))}"


def value_of(attribute: str, pool: Pool, rng: random.Random) -> str:
    """A random value that ``attribute`` may have, with names taken from ``pool``."""
    choices = {"sells": GOODS, "job": JOBS, "food": FOODS, "plays": INSTRUMENTS, "pet": PETS}
    if attribute in choices:
        return rng.choice(choices[attribute])
    if attribute in ("keeper", "home"):
        return rng.choice(pool.people if attribute == "keeper" else pool.towns)
    if attribute in ("opens", "closes"):
        return clock(rng, 5, 11) if attribute == "opens" else clock(rng, 15, 22)
    return str(rng.randint(18, 90) if attribute == "age" else rng.randint(1400, 1999))


def subject_of(kind: str, pool: Pool, rng: random.Random) -> str:
    """A person's name, or a place such as ``the mill in Oakford``."""
    return rng.choice(pool.people) if kind == "person" else f"the {rng.choice(PLACE_KINDS)} in {rng.choice(pool.towns)}"


def facts_about(subject: str, kind: str, pool: Pool, rng: random.Random, count: int | None = None) -> list[Fact]:
    """``count`` facts about ``subject`` (all there are by default), no attribute twice."""
    names = [a.name for a in ATTRIBUTES.values() if a.of == kind]
    return [Fact(subject, ATTRIBUTES[name], value_of(name, pool, rng)) for name in rng.sample(names, count or len(names))]
