/* The rule of epochs on one question that a change of the committee cuts in two, as docs/decisions/0030-the-rule-of-epochs.md
 * states it. agreement.pml is how one committee decides; what it says of liars, messages, views and names holds here too.
 *
 * An old committee (N, R) votes on the question in OLD ballots, and on E, the change that ends its epoch. A new one (NEW_N,
 * NEW_R) votes on the same question in FRESH ballots more, numbered on from the old ones. SHARED honest members are in both.
 * Without any, everybody who is in both is two who know nothing of each other, which allows more.
 *
 * With THIRD the new committee is changed in its turn, by a second E, and a third one, of its size and disjoint, votes in THIRD
 * ballots more.
 *
 * E is left open as far as can be: a member precommits it whenever it likes, and any q who did are a certificate, whichever
 * ballot they mean. The rule by which E is agreed on allows less. With CHANGE E is agreed on by that rule, in CHANGE ballots and with two
 * values.
 *
 * Nil is not cast: it binds nobody, and a member may leave out votes, so where it would say nil it says nothing. Members of the
 * same committees in the same state are one. What a member learned may as well have arrived when it is used.
 *
 * BUG_... plants a mistake; NO_MEMORY leaves one property unchecked, to see whether agreement notices it too. CLAIM_... adds a claim that is false, to see that the runs it denies are looked at.
 */

#ifndef N
#define N 4
#endif
#ifndef R
#define R 1
#endif
#ifndef NEW_N
#define NEW_N 4
#endif
#ifndef NEW_R
#define NEW_R 1
#endif
#ifndef OLD
#define OLD 2
#endif
#ifndef FRESH
#define FRESH 2
#endif
#ifndef SHARED
#define SHARED 0
#endif
#ifndef THIRD
#define THIRD 0
#endif

#define QUORUM(n, r) ((n + r + 2) / 2)    /* ceil((n + r + 1) / 2) */
#define HONEST(n, r) (QUORUM(n, r) - r)   /* so many honest votes make a quorum with those of all liars */

#define H (N - R)                         /* honest members of the old committee: 0 .. H - 1 */
#define FIRST (H - SHARED)                /* of the new one: FIRST .. ALL - 1 */
#define ALL (FIRST + NEW_N - NEW_R)
#if THIRD
#define EVERY (ALL + NEW_N - NEW_R)       /* of the third one: ALL .. EVERY - 1 */
#else
#define EVERY ALL
#endif
#define TURN (2 * OLD)                    /* the first slot of the new epoch */
#define TURN_2 (TURN + 2 * FRESH)         /* and of the third */
#define SLOTS (TURN_2 + 2 * THIRD)        /* a ballot's prevote, then its precommit: the order in which a member votes */
#define ENOUGH(ballot) (ballot < OLD -> HONEST(N, R) : HONEST(NEW_N, NEW_R))

#define A 1
#define B 2
#define AT(slot, value) (2 * (slot) + (value) - 1)  /* where A and B of a slot are counted */

byte cast[2 * SLOTS];     /* how many honest members voted A and B in each slot */
byte final;               /* the values for which q precommits of one ballot can be shown */
byte past;                /* those that the old committee's precommits show */
#if THIRD
byte past_2;              /* those that the old or the new committee's show */
#else
#define past_2 0
#endif
bool opened;              /* an honest member has voted */

byte next[2 * EVERY];       /* a member's memory, of the old epoch, then of a later one: the first slot it may still vote in */
byte lock[2 * EVERY];       /* 1 + the ballot of its lock, 0 if there is none */
byte locked[2 * EVERY];     /* that value */
#define IN_NEW(k) (EVERY + (k))

#if THIRD && (SHARED || defined(CHANGE))
#error a third committee shares no member, and its changes are left open
#endif

#ifndef CHANGE
bool stopped[EVERY];         /* it has precommitted E */
#define STOPPED(k) (stopped[k])
#define SIGNED(k) (stopped[k])
#define SIGNATURES 1
#else
byte enext[EVERY]; byte elock[EVERY]; byte elocked[EVERY];  /* as above, for E */
byte ecast[4 * CHANGE];
byte efinal;
bool eopened;
byte gave[EVERY];         /* its precommits for E: a bit for each ballot and value */
#define STOPPED(k) (elock[k] != 0)
#define SIGNED(k) (gave[k] & (1 << e))
#define SIGNATURES (2 * CHANGE)
#endif

#ifdef BUG_GOES_ON
byte cut[EVERY];            /* its lock below its precommit for E, and the value */
byte cut_value[EVERY];
#define LOCK(k) cut[k]
#define VALUE(k) cut_value[k]
#define GOES_ON true
#else
#define LOCK(k) lock[(g -> IN_NEW(k) : k)]
#define VALUE(k) locked[(g -> IN_NEW(k) : k)]
#define GOES_ON (!STOPPED(i))
#endif

#if defined(CLAIM_ALIKE) || defined(CLAIM_PUNCTUAL) || defined(CLAIM_UNDECIDED)
#define CLAIMS
#endif

#ifdef BUG_PINNED
byte pinned[EVERY];         /* the value it inherited */
#define FOLLOWS(k, value) (pinned[k] == 0 || pinned[k] == value)
#else
#define FOLLOWS(k, value) true
#endif

byte i, s, v, m, k, n, e, g, c, w, x, y;  /* for steps, which leave them 0 */
bool may, knows;

/* -- how a committee decides --------------------------------------------------------------------------------------- */

/* may := whether v may be prevoted in slot s: nothing is locked, or v is, or q prevotes for v may be in view, of an earlier
 * ballot from the lock's on. */
#define prevotes(held, holds, votes, enough)                        \
    may = held == 0 || holds == v;                                  \
    k = (held -> held - 1 : 0);                                     \
    do                                                              \
    :: 2 * k < s -> may = may || votes[AT(2 * k, v)] >= enough; k++ \
    :: else -> break                                                \
    od;                                                             \
    k = 0

/* may := whether v may be precommitted in slot s: q prevotes for it in the same ballot may be in view. */
#define precommits(votes, enough) may = votes[AT(s - 1, v)] >= enough

/* -- what the new epoch takes over --------------------------------------------------------------------------------- */

#define HAS_SIGNED(k) (SIGNED(k) && (g -> k >= FIRST && k < ALL : k < H))
#ifdef RECOVERY
#define SIGNERS RECOVERY  /* no certificate: the authority starts a new epoch from so many honest members' chains */
#else
#define SIGNERS (g -> HONEST(NEW_N, NEW_R) : HONEST(N, R))
#endif
#ifdef BUG_FEW
#define PASTS (SIGNERS - 1)
#else
#define PASTS SIGNERS
#endif
#define BALLOTS_BEFORE (g -> OLD + FRESH : OLD)

/* Whether what k had locked when it precommitted E may be below a view whose highest quorum is (c, w). */
#ifdef BUG_LOWEST
#define FITS(k) (LOCK(k) == 0 || (c > 0 && (LOCK(k) > c || (LOCK(k) == c && VALUE(k) == w))))
#else
#define FITS(k) (LOCK(k) < c || (LOCK(k) == c && (c == 0 || VALUE(k) == w)))
#endif

/* may := whether, of the ballots before this epoch, c - 1 with w (none, if c is 0) may be the highest that has q prevotes
 * for one value, in a view that holds q precommits for E and all below them. A lock has its quorum below it; other quorums
 * are in view or not. g: which change, the old committee's or the new one's. */
inline inherits() {
    d_step {
        may = 0;
        for (e : 0 .. SIGNATURES - 1) {
            n = 0; x = 0; y = 0;
            for (k : 0 .. ALL - 1) {
                x = x + (HAS_SIGNED(k) != 0);
                n = n + (HAS_SIGNED(k) && FITS(k));
                y = y + (HAS_SIGNED(k) && LOCK(k) == c && VALUE(k) == w)
            }
#if defined(BUG_FRESH)
            may = may || (x >= SIGNERS && c == 0);
#elif defined(BUG_LOWEST)
            may = may || (x >= SIGNERS && n >= PASTS && (c == 0 || y > 0));
#else
            may = may || (x >= SIGNERS && n >= PASTS);
#endif
        }
#ifndef BUG_UNJUSTIFIED
        k = (c -> AT(2 * (c - 1), w) : 0);
        may = may && (c == 0 || cast[k] >= ENOUGH(c - 1));
#endif
        may = may && (c > 0 || w == A);
        e = 0; k = 0; n = 0; x = 0; y = 0
    }
}

/* A member's own chain is in its view: what it locked in the old epoch is not above what it inherits. */
#define OWN_FITS (i >= H || lock[i] < c || (lock[i] == c && (c == 0 || locked[i] == w)))

inline inherit() {
    g = (i >= ALL -> 1 : 0);
    select (c : 0 .. BALLOTS_BEFORE);
    if :: w = A :: c > 0 -> w = B fi;
    inherits();
    may = may && OWN_FITS;
    if
    :: may && c > 0 -> lock[m] = c; locked[m] = w
    :: else
    fi;
#ifdef CLAIM_FRESH
    assert(!may || c == 0);  /* nothing is ever taken over */
#endif
#ifdef BUG_PINNED
    pinned[i] = (may && c > 0 -> w : 0);
#endif
    g = 0; c = 0; w = 0
}

/* -- votes --------------------------------------------------------------------------------------------------------- */

/* may := whether member i may cast v in slot s. */
inline judge() {
    d_step {
        if
        :: s % 2 == 0 -> prevotes(lock[m], locked[m], cast, ENOUGH(k))
        :: s % 2 == 1 -> precommits(cast, ENOUGH(s / 2))
        fi;
        may = may && (v != B || opened);  /* no more than a choice of names */
        may = may && (s < TURN || FOLLOWS(i, v))
    }
}

#define BEFORE(k) (k < ALL -> past : past_2)  /* what was certified in earlier epochs than k's */

inline publish() {
    d_step {
        opened = 1;
        cast[AT(s, v)]++;
        next[m] = s + 1;
        if
        :: s % 2 == 1 ->
            lock[m] = s / 2 + 1; locked[m] = v;
            final = (cast[AT(s, v)] >= ENOUGH(s / 2) -> final | v : final);
            past = (s < TURN && cast[AT(s, v)] >= ENOUGH(s / 2) -> past | v : past)
#if THIRD
            ; past_2 = (s < TURN_2 && cast[AT(s, v)] >= ENOUGH(s / 2) -> past_2 | v : past_2)
#endif
        :: else
        fi;
        knows = 1;
        for (k : FIRST .. EVERY - 1) {
            knows = knows && (next[IN_NEW(k)] == 0 || BEFORE(k) == 0 || (lock[IN_NEW(k)] && locked[IN_NEW(k)] == BEFORE(k)));
#ifdef CLAIMS
            n = n + (next[IN_NEW(k)] > 0);
            x = x + (next[IN_NEW(k)] && lock[IN_NEW(k)] && lock[IN_NEW(k)] <= OLD && locked[IN_NEW(k)] == A);
            y = y + (next[IN_NEW(k)] && lock[IN_NEW(k)] && lock[IN_NEW(k)] <= OLD && locked[IN_NEW(k)] == B)
#endif
        }
        k = 0
    }
    assert(final != A + B);  /* agreement: no two certificates, of whichever epoch, contradict each other */
#ifndef NO_MEMORY
    assert(knows);           /* memory: what an earlier committee certified, however late, all in later ones are locked on */
#endif
#ifdef CLAIMS
#ifdef CLAIM_ALIKE
    assert(x == 0 || y == 0);  /* nobody inherits something else than another */
#endif
#ifdef CLAIM_PUNCTUAL
    assert(n == 0 || past == 0 || s >= TURN || cast[AT(s, v)] != HONEST(N, R));  /* the old committee certifies nothing late */
#endif
#ifdef CLAIM_UNDECIDED
    assert(final == 0 || s < TURN);  /* the new committee decides nothing */
#endif
    n = 0; x = 0; y = 0;
#endif
    may = 0; knows = 0
}

#ifdef CHANGE
inline judge_change() {
    d_step {
        if
        :: s % 2 == 0 -> prevotes(elock[i], elocked[i], ecast, HONEST(N, R))
        :: s % 2 == 1 -> precommits(ecast, HONEST(N, R))
        fi;
        may = may && (v != B || eopened)
    }
}

inline publish_change() {
    d_step {
        eopened = 1;
        ecast[AT(s, v)]++;
        enext[i] = s + 1;
        if
        :: s % 2 == 1 ->
            elock[i] = s / 2 + 1; elocked[i] = v;
            gave[i] = gave[i] | (1 << (s - 2 + v));  /* 2 * ballot + value - 1 */
            efinal = (ecast[AT(s, v)] >= HONEST(N, R) -> efinal | v : efinal)
        :: else
        fi
    }
    assert(efinal != A + B);  /* the change is never certified for two values */
}
#endif

/* -- progress ------------------------------------------------------------------------------------------------------ */

bool anew, as_before, changed;
byte top[2];  /* for A and B: 1 + the highest ballot with a quorum that all see */

/* What honest members hold has reached all: quorums that locks stand on, and those that somebody else showed. */
#define share(from, to, held, holds, votes, enough, ballots)                                \
    for (k : from .. to) {                                                                  \
        x = (holds[k] == B -> 1 : 0);                                                       \
        top[x] = (held[k] > top[x] -> held[k] : top[x])                                     \
    };                                                                                      \
    x = 0;                                                                                  \
    for (k : 0 .. ballots - 1) {                                                            \
        if :: k + 1 > top[0] && votes[AT(2 * k, A)] >= enough -> top[0] = k + 1 :: true fi; \
        if :: k + 1 > top[1] && votes[AT(2 * k, B)] >= enough -> top[1] = k + 1 :: true fi  \
    };                                                                                      \
    k = 0

/* n := those who may prevote v when a coordinator names it. */
#define support(from, to, held, holds, follows)                                       \
    n = 0;                                                                            \
    for (k : from .. to) {                                                            \
        n = n + ((held[k] == 0 || holds[k] == v || top[v - 1] >= held[k]) && follows) \
    };                                                                                \
    k = 0

/* result := whether the value that an honest coordinator names finds q honest prevotes: that of the highest quorum that all
 * see, on which the highest lock stands, or any. */
#define settles(result, from, to, held, holds, follows, enough)     \
    result = 1;                                                     \
    for (v : A .. B) {                                              \
        support(from, to, held, holds, follows);                    \
        result = result && (top[v - 1] < top[B - v] || n >= enough) \
    };                                                              \
    v = 0; n = 0

#define LOW (g -> ALL : FIRST)
#define HIGH (g -> EVERY - 1 : ALL - 1)

/* A quiet ballot of a later committee, when a certificate for E has reached all. Who has not voted yet inherits. */
inline quiet_new() {
    if :: g = 0 :: THIRD > 0 -> g = 1 fi;
    select (c : 0 .. BALLOTS_BEFORE);
    if :: w = A :: c > 0 -> w = B fi;
    inherits();
    if
    :: may ->
        d_step {
            for (k : LOW .. HIGH) {
                if
                :: next[IN_NEW(k)] == 0 && c > 0 -> lock[IN_NEW(k)] = c; locked[IN_NEW(k)] = w
                :: else
                fi
            }
            if :: c > 0 -> top[w - 1] = c :: else fi
        }
        share(IN_NEW(LOW), IN_NEW(HIGH), lock, locked, cast, ENOUGH(k), OLD + FRESH + THIRD);
        d_step {
            settles(anew, IN_NEW(LOW), IN_NEW(HIGH), lock, locked, FOLLOWS(k - EVERY, v), QUORUM(NEW_N, NEW_R));
            for (k : LOW .. HIGH) {
                if
                :: next[IN_NEW(k)] == 0 -> lock[IN_NEW(k)] = 0; locked[IN_NEW(k)] = 0
                :: else
                fi
            }
            k = 0; top[0] = 0; top[1] = 0
        }
        assert(anew);  /* progress: one quiet ballot decides in the new epoch, whatever was taken over */
    :: else
    fi;
    may = 0; anew = 0; g = 0; c = 0; w = 0
}

/* While nobody has precommitted E the old committee can decide; with CHANGE it can always decide E. */
inline quiet_old() {
    for (k : 0 .. H - 1) { n = n + STOPPED(k) }
    if
    :: n == 0 ->
        n = 0;
        share(0, H - 1, lock, locked, cast, ENOUGH(k), OLD);
        d_step { settles(as_before, 0, H - 1, lock, locked, true, QUORUM(N, R)) }
        assert(as_before);  /* the old committee still decides */
    :: else
    fi;
    k = 0; n = 0; as_before = 0; top[0] = 0; top[1] = 0;
#ifdef CHANGE
    share(0, H - 1, elock, elocked, ecast, HONEST(N, R), CHANGE);
    d_step { settles(changed, 0, H - 1, elock, elocked, true, QUORUM(N, R)) }
    assert(changed);  /* the change is decided by one quiet ballot, which ends the stop */
    changed = 0; top[0] = 0; top[1] = 0
#endif
}

/* -- runs ---------------------------------------------------------------------------------------------------------- */

/* Of several members in one state one acts; they stand in the order of their states. */
#define PART(k) ((next[k] * (OLD + FRESH + THIRD + 1) + lock[k]) * 3 + locked[k])
#define PARTS ((SLOTS + 1) * (OLD + FRESH + THIRD + 1) * 3)
#if defined(CHANGE)
#define MORE(k) (((enext[k] * (CHANGE + 1) + elock[k]) * 3 + elocked[k]) * (1 << SIGNATURES) + gave[k])
#define EXCHANGE_MORE EXCHANGE(enext, k); EXCHANGE(elock, k); EXCHANGE(elocked, k); EXCHANGE(gave, k)
#elif defined(BUG_GOES_ON)
#define MORE(k) ((stopped[k] * (OLD + FRESH + 1) + cut[k]) * 3 + cut_value[k])
#define EXCHANGE_MORE EXCHANGE(stopped, k); EXCHANGE(cut, k); EXCHANGE(cut_value, k)
#elif defined(BUG_PINNED)
#define MORE(k) (stopped[k] * 3 + pinned[k])
#define EXCHANGE_MORE EXCHANGE(stopped, k); EXCHANGE(pinned, k)
#else
#define MORE(k) stopped[k]
#define EXCHANGE_MORE EXCHANGE(stopped, k)
#endif
#define KEY(k) ((MORE(k) * PARTS + PART(k)) * PARTS + PART(IN_NEW(k)))
#define IS_LAST(k) (k == FIRST - 1 || k == H - 1 || k == ALL - 1 || k == EVERY - 1)  /* of those in the same committees */
#define IS_OWN_TURN (IS_LAST(i) || KEY(i) != KEY(i + 1))
#define EXCHANGE(what, k) n = what[k]; what[k] = what[k + 1]; what[k + 1] = n

inline sort() {
    d_step {
        for (y : 2 .. EVERY) {
            for (k : 0 .. EVERY - 2) {
                if
                :: !IS_LAST(k) && KEY(k) > KEY(k + 1) ->
                    EXCHANGE(next, k); EXCHANGE(lock, k); EXCHANGE(locked, k);
                    EXCHANGE(next, IN_NEW(k)); EXCHANGE(lock, IN_NEW(k)); EXCHANGE(locked, IN_NEW(k));
                    EXCHANGE_MORE
                :: else
                fi
            }
        }
        n = 0; k = 0; y = 0
    }
}

/* Who has precommitted E, or has voted in a later epoch, votes no more on the question in the one before. */
#define MAY_VOTE_OLD (i < H && GOES_ON && next[IN_NEW(i)] == 0)
#define MAY_VOTE_NEW (s < TURN_2 -> i >= FIRST && i < ALL && (THIRD == 0 || GOES_ON) : i >= ALL)
#define MAY_VOTE (s < TURN -> MAY_VOTE_OLD : MAY_VOTE_NEW)

inline vote() {
    select (s : 0 .. SLOTS - 1);
    m = (s < TURN -> i : IN_NEW(i));
    if
    :: MAY_VOTE && s >= next[m] ->
        if :: v = A :: v = B fi;
        may = 1;
        if
        :: s >= TURN && next[m] == 0 -> inherit()
        :: else
        fi;
        if
        :: may -> judge()
        :: else
        fi;
        if
        :: may -> publish(); sort()
        :: !may && next[m] == 0 ->
            lock[m] = 0; locked[m] = 0
#ifdef BUG_PINNED
            ; pinned[i] = 0
#endif
        :: else
        fi
    :: else
    fi
}

inline change() {
#ifdef CHANGE
    select (s : 0 .. 2 * CHANGE - 1);
    if
    :: i < H && s >= enext[i] ->
        if :: v = A :: v = B fi;
        judge_change();
        if
        :: may -> publish_change(); sort()
        :: else
        fi
    :: else
    fi
#else
    m = (i < H -> i : IN_NEW(i));
    may = !stopped[i] && (i < H || (THIRD > 0 && i < ALL));
    if
#ifndef BUG_SHALLOW
    :: may && i >= H && next[m] == 0 -> inherit()  /* a vote for the next change is one in the new epoch: it needs that view */
#endif
    :: else
    fi;
    if
    :: may ->
        next[m] = (i >= H && next[m] == 0 -> TURN : next[m]);
        stopped[i] = 1;
#ifdef BUG_GOES_ON
        cut[i] = lock[m]; cut_value[i] = locked[m];
#endif
        sort()
    :: else
    fi
#endif
}

active proctype site() {
end:
    do
    :: atomic {
        select (i : 0 .. EVERY - 1);
        if
        :: IS_OWN_TURN -> if :: vote() :: change() fi
        :: else
        fi;
        i = 0; s = 0; v = 0; m = 0; may = 0
      }
    :: atomic { quiet_new() }
    :: atomic { quiet_old() }
    od
}
