/* The rule of agreement on one conflict set, as docs/decisions/0029-the-rule-of-agreement.md states it.
 *
 * N members, R of them liars, BALLOTS ballots of two phases, two values. Only honest members have a state. Liars may show
 * any votes to anyone at any time, different ones to different members: R votes are added wherever that makes a quorum and
 * left out wherever that hurts. The coordinator of a later ballot is a liar who may name any value to anyone, so that all
 * that an honest coordinator could make members do is possible here too.
 *
 * Messages: a member casts a vote on a view, some part of what was cast so far. It may move to a later ballot, or give up
 * and say nil, whenever it likes: timeouts strike at any time or never. No view is kept. Everything the rule asks of a view
 * but the plurality is that certain votes are in it, so what a member learned and has not used may as well arrive when it
 * uses it; and the plurality is asked for the first vote of all, before which a view may be anything. A crash that spares
 * what is durable therefore changes no state: it is covered at every moment. With VIEWS views are kept nevertheless, each a
 * prefix of every other member's chain, and only grow: more states by far, the same properties.
 *
 * Members are interchangeable and so are values: the members' first votes come in the order of their indices, and the first
 * value that an honest member votes for is A. Every other run is one of these with other names.
 *
 * With ANONYMOUS it is not kept who said what, only how many did, and members in the same state are one: what can be done
 * depends on nothing else, so this is the same system with far fewer states.
 *
 * BUG_... plants a mistake; NO_SINGLE leaves one property unchecked, to see whether another one notices it too. CLAIM_...
 * adds a claim that is false, to see that the runs it denies are among those that were looked at.
 */

#ifndef N
#define N 4
#endif
#ifndef R
#define R 1
#endif
#ifndef BALLOTS
#define BALLOTS 2
#endif

#define QUORUM ((N + R + 2) / 2)  /* ceil((N + R + 1) / 2) */
#ifdef BUG_QUORUM
#define Q (QUORUM - 1)
#else
#define Q QUORUM
#endif

#define H (N - R)            /* honest members */
#define SLOTS (2 * BALLOTS)  /* a ballot's prevote, then its precommit: the order in which a member votes */

/* What a vote says. Bits, so that a slot can show that two different votes were cast in it. */
#define NIL 1
#define A 2
#define B 4
#define AT(slot, value) (2 * (slot) + (value) / 4)  /* where A and B of a slot are counted */

#ifndef ANONYMOUS
byte said[H * SLOTS];   /* what each honest member has signed and published in each slot */
#define RECORD said[i * SLOTS + s] = said[i * SLOTS + s] | v; x = said[i * SLOTS + s]
#define IS_NEW !(said[i * SLOTS + s] & v)
#else
#define RECORD x = v
#define IS_NEW true
#endif
byte cast[2 * SLOTS];   /* how many of them voted A and B in each slot */
byte quorums[2];        /* for A and B: the ballots, as bits, in which q prevotes for it can be shown */
byte final;             /* the values for which q precommits of one ballot can be shown */
byte proposed;          /* the values that somebody entitled to has proposed */
byte named;             /* members that have voted: the next new one has this index */
bool opened;            /* an honest member has voted for a value */

byte next[H];    /* a member's memory: the first slot it may still vote in */
byte lock[H];    /* 1 + the ballot of its last precommit for a value, 0 if there is none */
byte locked[H];  /* that value */
bool lost[H];    /* it lost durable votes, and knows */

byte i, s, v, k, n, x, y;  /* for steps, which leave them 0 */
bool may;

#ifdef VIEWS
byte seen[H * H];  /* i has seen the votes of j in slots below seen[i * H + j]: a prefix of a chain */
byte before[H];    /* what i had seen, should it turn out that it casts nothing */
#endif

/* -- what a member sees -------------------------------------------------------------------------------------------- */

/* n := the honest votes for `value` in `slot` that member i may have in view. */
#ifdef VIEWS
inline count(slot, value) {
    n = 0;
    for (k : 0 .. H - 1) {
        if
        :: (k == i || slot < seen[i * H + k]) && (said[k * SLOTS + slot] & value) -> n++
        :: else
        fi
    }
    k = 0
}

/* Member i hears more of what the others have said, or not. */
inline learn() {
    for (k : 0 .. H - 1) {
        before[k] = seen[i * H + k];
        do
        :: k != i && seen[i * H + k] < next[k] -> seen[i * H + k]++
        :: break
        od
    }
    k = 0
}

inline forget() {
    d_step {
        for (k : 0 .. H - 1) {
            if
            :: !may -> seen[i * H + k] = before[k]
            :: else
            fi;
            before[k] = 0
        }
        k = 0
    }
}
#else
inline count(slot, value) { n = cast[AT(slot, value)] }
#define learn() skip
#define forget() skip
#endif

/* -- the rule ------------------------------------------------------------------------------------------------------ */

#ifdef BUG_UNPROPOSED
#define VALID true
#else
#define VALID (proposed & v)
#endif

/* Ballot 0: of the values that are proposed, the one with most prevotes in view. A liar is in view with one vote or none. */
inline plurality() {
    may = VALID != 0;
#ifdef VIEWS
    count(0, v); x = n;
    count(0, A + B - v);
    may = may && x + R >= n;
    x = 0; n = 0
#endif
}

/* A later prevote: nothing is locked, or this value, or q prevotes for it in view, of a ballot from the lock's on. */
inline against_lock() {
    may = VALID && (lock[i] == 0 || locked[i] == v);
    for (y : 0 .. s / 2 - 1) {
        count(2 * y, v);
        if
#ifdef BUG_LOCK
        :: VALID -> may = 1
#endif
#ifdef BUG_UNLOCK_BELOW
        :: VALID && n + R >= Q -> may = 1
#endif
        :: VALID && y + 1 >= lock[i] && n + R >= Q -> may = 1
        :: else
        fi
    }
    n = 0; y = 0
}

/* A precommit: q prevotes for the value in the same ballot in view. */
inline justified() {
    count(s - 1, v);
    may = n + R >= Q;
    n = 0
}

/* may := whether member i may cast v in slot s. */
inline judge() {
    d_step {
        if
        :: v == NIL -> may = 1
        :: v != NIL && s == 0 -> plurality()
        :: v != NIL && s > 0 && s % 2 == 0 -> against_lock()
        :: v != NIL && s % 2 == 1 -> justified()
        fi;
        may = may && (v != B || opened)  /* no more than a choice of names */
    }
}

/* Votes ascend: a member votes in no slot below one that it has voted in, nor twice in one. */
#if defined(BUG_PLURALITY)
#define FREE (s >= next[i] || (s == 0 && next[i] == 1))
#elif defined(BUG_ORDER)
#define FREE (said[i * SLOTS + s] == 0)
#else
#define FREE (s >= next[i])
#endif

/* -- what is true of all votes ------------------------------------------------------------------------------------- */

inline publish() {
    d_step {
        if
        :: v != NIL && IS_NEW ->
            cast[AT(s, v)]++;
            opened = 1;
            if
            :: cast[AT(s, v)] + R < Q
            :: cast[AT(s, v)] + R >= Q && s % 2 == 0 -> quorums[v / 4] = quorums[v / 4] | (1 << (s / 2))
            :: cast[AT(s, v)] + R >= Q && s % 2 == 1 -> final = final | v
            fi
        :: else
        fi;
        RECORD;
#ifndef ANONYMOUS
        named = (i == named -> named + 1 : named);
#endif
        next[i] = (s >= next[i] -> s + 1 : next[i]);
        if
        :: v != NIL && s % 2 == 1 -> lock[i] = s / 2 + 1; locked[i] = v
        :: else
        fi
    }
    assert(final != A + B);              /* agreement: no two certificates that can be shown contradict each other */
    assert((final & ~proposed) == 0);    /* validity: what is final was proposed */
#ifdef CLAIM_UNDECIDED
    assert(final == 0);
#endif
#ifndef NO_SINGLE
    assert(x == NIL || x == A || x == B);  /* honesty: one vote in each phase of a ballot */
#endif
    x = 0
}

/* -- progress ------------------------------------------------------------------------------------------------------ */

/* x := the ballots whose q prevotes for v all members see once they have all that anyone of them holds. Below an honest
 * precommit lie its q prevotes; other quorums that need liars are shown if the liars like. */
inline share() {
    d_step {
        x = 0; n = 0;
        for (k : 0 .. H - 1) {
            n = n + lost[k];
#ifndef BUG_UNJUSTIFIED
            x = (lock[k] && locked[k] == v -> x | (1 << (lock[k] - 1)) : x)
#endif
        }
        for (k : 0 .. BALLOTS - 1) {
            x = (n == 0 && cast[AT(2 * k, v)] >= Q -> x | (1 << k) : x)
        }
        k = 0; n = 0
    }
    do
    :: k < BALLOTS ->
        if
        :: quorums[v / 4] & (1 << k) -> x = x | (1 << k)
        :: true
        fi;
        k++
    :: else -> break
    od;
    k = 0
}

byte top[2];  /* for A and B: 1 + the highest ballot with a quorum that all see */

inline rank() {
    share();
    d_step {
        for (k : 0 .. BALLOTS - 1) {
            top[v / 4] = (x & (1 << k) -> k + 1 : top[v / 4])
        }
        k = 0; x = 0
    }
}

/* n := the members that may prevote v when a coordinator names it. */
inline support() {
    n = 0;
    for (k : 0 .. H - 1) {
        n = n + (!lost[k] && (lock[k] == 0 || locked[k] == v || top[v / 4] >= lock[k]))
    }
    k = 0
}

/* x := the values coordinator i may name: that of the highest quorum it sees, its own lock's among them, else any. */
inline choice() {
    x = (lock[i] -> locked[i] : proposed);
    k = lock[i];
    x = (top[0] > k -> A : x); k = (top[0] > k -> top[0] : k);
    x = (top[1] > k -> B : x); k = 0
}

/* Quiet: all that honest members hold has reached all of them, and an honest member coordinates one more ballot. Then what it
 * names finds q honest prevotes, so that ballot decides, whatever the liars do. may: in every such ballot; y: in some. */
inline quiet() {
    v = A; rank();
    v = B; rank();
    d_step {
        may = 1; y = 0;
        for (i : 0 .. H - 1) {
            choice();
            v = A; support();
            if :: !lost[i] && (x & v) -> y = y | (n >= Q); may = may && n >= Q :: else fi;
            v = B; support();
            if :: !lost[i] && (x & v) -> y = y | (n >= Q); may = may && n >= Q :: else fi
        }
        x = 0;
        for (i : 0 .. H - 1) { x = x + !lost[i] }
        i = 0; v = 0; n = 0;
        top[0] = 0; top[1] = 0
    }
#ifdef ONLY_STUCK
    assert(y || x < Q);      /* some honest coordinator can still make it decide */
#else
    assert(may || x < Q);    /* every one can */
#endif
    may = 0; x = 0; y = 0
}

/* -- runs ---------------------------------------------------------------------------------------------------------- */

#ifdef ANONYMOUS
#define MAY_ACT (i == H - 1 || KEY(i) != KEY(i + 1))  /* of several in one state, one */
#else
#define MAY_ACT (i <= named)
#endif

#if defined(BUG_AMNESIA)
bool forgot;  /* one member, once, is enough */
#define MAY_LOSE (!forgot && next[i] > 0)
#elif defined(LOSS)
#define MAY_LOSE (!lost[i] && next[i] > 0)
#else
#define MAY_LOSE false
#endif

inline lose() {
    lock[i] = 0; locked[i] = 0;
#ifdef BUG_AMNESIA
    forgot = 1; next[i] = 0          /* as if it had never voted */
#else
    lost[i] = 1; next[i] = SLOTS     /* it abstains */
#endif
}

/* Members in ascending order of their memory. */
#ifdef ANONYMOUS
#define KEY(k) (((next[k] * (BALLOTS + 1) + lock[k]) * 8 + locked[k]) * 2 + lost[k])
#define EXCHANGE(what) n = what[k]; what[k] = what[k + 1]; what[k + 1] = n
inline sort() {
    d_step {
        for (y : 2 .. H) {
            for (k : 0 .. H - 2) {
                if
                :: KEY(k) > KEY(k + 1) -> EXCHANGE(next); EXCHANGE(lock); EXCHANGE(locked); EXCHANGE(lost)
                :: else
                fi
            }
        }
        n = 0; k = 0; y = 0
    }
}
#else
#define sort() skip
#endif

active proctype site() {
    if
    :: proposed = A
    :: proposed = A + B
    fi;
end:
    do
    :: atomic {
        select (i : 0 .. H - 1);
        select (s : 0 .. SLOTS - 1);
        if
        :: MAY_ACT && !lost[i] && FREE ->
            if :: v = NIL :: v = A :: v = B fi;
            if
            :: v != NIL -> learn()
            :: else          /* nil asks for nothing: what it might have learned can come later */
            fi;
            judge();
            forget();
#ifdef CLAIM_LOYAL
            assert(!may || v == NIL || s % 2 == 1 || lock[i] == 0 || locked[i] == v);  /* none prevotes against its lock */
#endif
            if
            :: may -> publish(); sort()
            :: else
            fi
        :: s == 0 && MAY_LOSE -> lose(); sort()
        :: else
        fi;
        i = 0; s = 0; v = 0; may = 0
      }
    :: atomic { quiet() }
    od
}
