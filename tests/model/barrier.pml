/*
 * The write-barrier and handshake protocol of concurrent marking, for Spin.
 *
 * Two mutator threads, one collector. Objects 1..OBJECTS with one slot each; slot[0] is a root.
 * A thread is a set of objects that its stack and registers hold, and the operation that it is in.
 * Handshakes run between any two steps of a thread. Both threads may assist (ASSISTS0, ASSISTS1); thread 1
 * may attach and detach (ATTACH).
 *
 * Not here: weak memory, buffer overflow races, sweeping itself, several slots per object. The README
 * has the list, the bounds and the results; run_model.py has the configurations.
 *
 * I1 At the end of marking every object that a root, a stack or a register reaches is marked.
 * I2 No object that is reachable is freed at the flip.
 *
 * Every guarded step below is atomic and stands for at most one access to memory that others change;
 * what only the thread itself and its handshakes see is merged into it. SPLIT_STEPS takes such merged
 * steps apart. A handshake may come anywhere, also in slow paths, which really defer it: more is
 * allowed here than happens.
 * A buffer forgets an object that somebody else marks first, so that a round may count as empty
 * although it brought such objects: again more than happens, since the next round stays possible.
 */
#ifndef OBJECTS
#define OBJECTS 2
#endif
#ifndef ALLOCS
#define ALLOCS 0        /* per thread */
#endif
#ifndef CYCLES
#define CYCLES 1
#endif

#define BIT(o) ((1 << (o)) >> 1)  /* of object o; 0 for null */
#define ALL ((1 << OBJECTS) - 1)
#ifdef ATTACH
#define ASKED (at[1] == kAway -> 1 : 3)  /* whom a round asks */
#else
#define ASKED 3
#endif

/* Where a thread is. Hazards are in force from kSlotSet, or kValueSet, to the end of the operation;
   then the model empties them. Really they stay, which only shades more. */
#define kIdle 0
#define kSlotSet 1   /* SPLIT_STEPS: hazard_slot is written */
#define kValueSet 2  /* SPLIT_STEPS: hazard_value too; next: test the flag */
#define kSlow 3      /* SPLIT_STEPS: flag seen on; next: read and shade */
#define kMarked 4    /* MARK_THEN_ENQUEUE: marked, not yet enqueued */
#define kStoring 5   /* flag seen off, or old and new shaded; next: the store itself */
#define kSwapping 6  /* OP_EXCHANGE: flag seen on, new shaded; next: swap and shade what came out */
#define kOldRead 7   /* OLD_VALUE_BEFORE_HAZARD: old value read, nothing published */
#define kColour 8    /* COLOUR_STRADDLES_HANDSHAKE: colour read, cell not yet taken */
#define kChunkOff 9      /* OP_BULK: between two words, flag seen off */
#define kChunkOn 10      /* the same, flag seen on */
#define kChunkStoring 11 /* a word is read, shaded if need be, and not yet stored */
#define kAssist 12   /* ASSISTS: marks items that it took from the queue */
#define kAway 13     /* ATTACH: thread 1 is not attached */
#define HAZARD_SLOT(t) (at[t] >= kSlotSet && at[t] <= kSwapping)
#define HAZARD_VALUE(t) (at[t] >= kValueSet && at[t] <= kSwapping)

/* --- The heap */
byte slot[OBJECTS + 1];
byte used;    /* allocated objects */
byte marked;
byte grey;    /* marked and waiting in the queue */
bool root_done;

/* --- The threads */
byte at[2];
byte store_slot[2], store_value[2];  /* of the operation in flight */
byte old[2];                         /* only where the old value lives across steps */
#ifdef MARK_THEN_ENQUEUE_INTERRUPTIBLE
byte late[2];                        /* marked objects that are not yet enqueued */
#endif
byte held[2];                        /* objects in stack and registers */
byte buffer[2];                      /* shaded, not yet handed over */
bool barrier_on[2];
bool black[2];                       /* new objects are marked */
#ifdef STORES0
byte stores[2];                      /* begun so far, at most STORES0 and STORES1 */
#define MAY_STORE(t) (stores[t] < (t == 0 -> STORES0 : STORES1))
#else
#define MAY_STORE(t) true
#endif
#if ALLOCS > 0
byte allocs[2];
#endif

#ifdef ASSISTS0
byte assists[2];                     /* begun so far, at most ASSISTS0 and ASSISTS1 */
byte taken[2];                       /* marked objects that left the queue and are not yet scanned */
bool report[2];                      /* held such objects since its last F */
#endif
#ifdef ATTACH
bool came, went;                     /* thread 1 has attached, has detached; once each */
#endif

#ifdef OP_BULK
byte chunks[2];                      /* begun so far, at most CHUNKS0 and CHUNKS1 */
byte words[2];                       /* left of the chunk in progress */
bool chunk_on[2];                    /* what its flag test said */
#endif

/* --- The collector */
#define kH1 0
#define kH1b 1
#define kH2 2
#define kDrain 3
#define kRound 4
#define kStop 5      /* RESCAN_ROOT, RESCAN_ALL: everybody stands still */
#define kH3 6
#define kFlip 7
#define kH0 8
#define kDone 9
byte phase, pending, cycle;
bool brought;        /* by this F round */

hidden byte i, o, reach, c;

/* Whether a handshake may come now. */
#if defined(OP_BULK) && !defined(BULK_INTERRUPTIBLE)
#define OPEN(t) (at[t] < kChunkOff)
#elif defined(ASSISTS0)
#define OPEN(t) (at[t] != kAssist)
#else
#define OPEN(t) true
#endif

#define RUNNING (phase != kStop && phase != kDone)

/* What shading does: the object goes to the thread's buffer; the queue's owner sets the mark bit. */
#ifdef MARK_WHEN_SHADED
#define SHADE(t, set) buffer[t] = buffer[t] | ((set) & ~marked); marked = marked | (set)
#else
#define SHADE(t, set) buffer[t] = buffer[t] | ((set) & ~marked)
#endif

/* Objects that the operation in flight holds in registers. They are in held as well. */
#define REGISTERS(t) (BIT(store_slot[t]) | BIT(store_value[t]))

/* reach = everything that roots and threads reach. */
inline closure() {
  reach = held[0] | held[1] | BIT(slot[0]) | BIT(old[0]) | BIT(old[1]);
#ifdef OP_BULK
  reach = reach | REGISTERS(0) | REGISTERS(1);
#endif
  i = 0;
  do
  :: i < OBJECTS ->
     o = 1;
     do
     :: o <= OBJECTS ->
        if
        :: reach & BIT(o) -> reach = reach | BIT(slot[o])
        :: else
        fi;
        o++
     :: else -> break
     od;
     i++
  :: else -> break
  od;
  i = 0; o = 0
}

/* ---------------------------------------------------------------- Mutators */

#if OBJECTS > 2
#define ANY_HELD(t, x) \
  if \
  :: held[t] & 1 -> x = 1 \
  :: held[t] & 2 -> x = 2 \
  :: held[t] & 4 -> x = 3 \
  :: x = 0 \
  fi
#define ANY_OF(set, x) \
  if \
  :: (set) & 1 -> x = 1 \
  :: (set) & 2 -> x = 2 \
  :: (set) & 4 -> x = 3 \
  fi
#else
#define ANY_HELD(t, x) \
  if \
  :: held[t] & 1 -> x = 1 \
  :: held[t] & 2 -> x = 2 \
  :: x = 0 \
  fi
#define ANY_OF(set, x) \
  if \
  :: (set) & 1 -> x = 1 \
  :: (set) & 2 -> x = 2 \
  fi
#endif

/* What goes to the queue while a round runs makes another one necessary: the driver compares the number
   of buffers that were ever published. */
#ifdef NO_PUBLISHED_COUNT
#define PUBLISHED(set) skip
#else
#define PUBLISHED(set) brought = brought || (phase == kRound && (set) != 0)
#endif

/* Mark bits are set here only, by whoever owns the object's item: the queue, the marker, an assist. */
inline mark(set) {
  marked = marked | (set);
#if !defined(MARK_WHEN_SHADED) && !defined(MARK_THEN_ENQUEUE_INTERRUPTIBLE)
  buffer[0] = buffer[0] & ~marked;
  buffer[1] = buffer[1] & ~marked;
#endif
}

#define ASSISTING (phase == kDrain || phase == kRound)

#ifdef ATTACH
/* What a thread finds that attaches now: the driver has changed it before it asked the others. */
#define STATE_BARRIER (phase <= kStop)
#define STATE_BLACK (phase >= kH2 && phase <= kFlip)
#ifdef NO_ATTACH_BARRIER
#define ATTACH_BARRIER false
#else
#define ATTACH_BARRIER STATE_BARRIER
#endif
#if defined(NO_ATTACH_BLACK)
#define ATTACH_BLACK false
#elif defined(ATTACH_WHITE_BEFORE_FLIP)
#define ATTACH_BLACK (STATE_BLACK && phase <= kStop)
#else
#define ATTACH_BLACK STATE_BLACK
#endif
#endif

/* Flag seen on: reads the old value and shades both. Compare-and-swap shades what it expects. */
inline slow_path(t) {
#if defined(OLD_VALUE_BEFORE_HAZARD) || defined(OP_CAS)
  c = old[t];
#else
  c = slot[store_slot[t]];
#endif
  reach = 0;
#if !defined(NO_DELETION) && !defined(OP_EXCHANGE)
  reach = reach | BIT(c);
#endif
#ifndef NO_INSERTION
  reach = reach | BIT(store_value[t]);
#endif
#ifdef ROOT_WITHOUT_BARRIER
  if
  :: store_slot[t] == 0 -> reach = 0
  :: else
  fi;
#endif
#if defined(MARK_THEN_ENQUEUE_INTERRUPTIBLE)
  late[t] = reach & ~marked;
  marked = marked | reach;
  at[t] = kMarked;
#elif defined(OP_EXCHANGE)
  SHADE(t, reach);
  at[t] = kSwapping;
#else
  SHADE(t, reach);
  at[t] = kStoring;
#endif
  reach = 0; c = 0
}

inline test_flag(t) {
  if
  :: barrier_on[t] ->
#ifdef SPLIT_STEPS
     at[t] = kSlow
#else
     slow_path(t)
#endif
  :: else -> at[t] = kStoring
  fi;
#ifdef OLD_VALUE_BEFORE_HAZARD
  old[t] = 0
#else
  skip
#endif
}

/* The step that publishes the new value, and what must not be separated from it. */
inline publish(t) {
#if defined(OP_EXCHANGE)
  c = slot[store_slot[t]];
  if
  :: at[t] == kSwapping -> SHADE(t, BIT(c))
  :: else
  fi;
  slot[store_slot[t]] = store_value[t];
  held[t] = held[t] | BIT(c);
  c = 0
#elif defined(OP_CAS)
  if
  :: slot[store_slot[t]] == old[t] -> slot[store_slot[t]] = store_value[t]
  :: else
  fi
#else
  slot[store_slot[t]] = store_value[t]
#endif
}

proctype Mutator(byte t) {
  do
  /* A store: hazards, flag, old value, shading. */
  :: atomic {
       at[t] == kIdle && RUNNING && MAY_STORE(t) ->
#ifdef STORES0
       stores[t]++;
#endif
       ANY_HELD(t, store_slot[t]);
       ANY_HELD(t, store_value[t]);
#if defined(OP_CAS)
       ANY_HELD(t, old[t]);
#endif
       d_step {
#if defined(OLD_VALUE_BEFORE_HAZARD)
         old[t] = slot[store_slot[t]]; at[t] = kOldRead
#elif defined(SPLIT_STEPS)
         at[t] = kSlotSet
#else
         test_flag(t)
#endif
       }
     }
#ifdef SPLIT_STEPS
  :: d_step { at[t] == kSlotSet && RUNNING -> at[t] = kValueSet }
  :: d_step { at[t] == kValueSet && RUNNING -> test_flag(t) }
  :: d_step { at[t] == kSlow && RUNNING -> slow_path(t) }
#endif
#ifdef OLD_VALUE_BEFORE_HAZARD
  :: d_step { at[t] == kOldRead && RUNNING -> test_flag(t) }
#endif
#ifdef MARK_THEN_ENQUEUE_INTERRUPTIBLE
  :: d_step {
       at[t] == kMarked && RUNNING ->
       buffer[t] = buffer[t] | late[t]; late[t] = 0; at[t] = kStoring
     }
#endif
  /* The store itself. */
  :: d_step {
       (at[t] == kStoring || at[t] == kSwapping) && RUNNING ->
       publish(t);
       at[t] = kIdle; store_slot[t] = 0; store_value[t] = 0;
#ifdef OP_CAS
       old[t] = 0
#endif
     }
#ifdef OP_BULK
  /* A chunk of two words, each from any slot to any other: flag; then per word: read it, read the old
     value, shade both; store. */
  :: d_step {
       at[t] == kIdle && RUNNING && chunks[t] < (t == 0 -> CHUNKS0 : CHUNKS1) ->
       chunks[t]++;
       words[t] = 2;
       at[t] = (barrier_on[t] -> kChunkOn : kChunkOff)
     }
  :: atomic {
       (at[t] == kChunkOn || at[t] == kChunkOff) && RUNNING && words[t] != 0 ->
       words[t]--;
       ANY_HELD(t, c);
       ANY_HELD(t, store_slot[t]);
       d_step {
         store_value[t] = slot[c];
         c = 0;
         if
         :: at[t] == kChunkOn -> SHADE(t, BIT(store_value[t]) | BIT(slot[store_slot[t]]))
         :: else
         fi;
         chunk_on[t] = at[t] == kChunkOn;
         at[t] = kChunkStoring
       }
     }
  :: d_step {
       at[t] == kChunkStoring && RUNNING ->
       slot[store_slot[t]] = store_value[t];
       store_slot[t] = 0; store_value[t] = 0;
       if
       :: words[t] == 0 -> at[t] = kIdle
       :: words[t] != 0 && chunk_on[t] -> at[t] = kChunkOn
       :: else -> at[t] = kChunkOff
       fi;
       chunk_on[t] = false
     }
#endif
  /* A load, a variable that dies, an allocation. */
  :: atomic {
       at[t] == kIdle && RUNNING ->
       ANY_HELD(t, c);
       held[t] = held[t] | BIT(slot[c]);
       c = 0
     }
  :: atomic {
       at[t] == kIdle && held[t] != 0 && RUNNING ->
       ANY_HELD(t, c);
       held[t] = held[t] & ~BIT(c);
       c = 0
     }
#ifdef ASSISTS0
  /* An assist, in a slow path that defers handshakes: takes an item, scans one at a time, puts back what
     is left. */
  :: atomic {
       at[t] == kIdle && ASSISTING && grey != 0 && assists[t] < (t == 0 -> ASSISTS0 : ASSISTS1) ->
       assists[t]++;
       ANY_OF(grey, c);
       d_step { grey = grey & ~BIT(c); taken[t] = BIT(c); at[t] = kAssist; c = 0 }
     }
  :: atomic {
       at[t] == kAssist && taken[t] != 0 && RUNNING ->
       ANY_OF(taken[t], c);
       d_step {
         taken[t] = (taken[t] & ~BIT(c)) | (BIT(slot[c]) & ~marked);
         mark(BIT(slot[c]));
         c = 0
       }
     }
  :: d_step {
       at[t] == kAssist && RUNNING ->
       PUBLISHED(taken[t]);
       grey = grey | taken[t];
       taken[t] = 0;
#ifndef NO_ASSIST_REPORT
       report[t] = true;
#endif
       at[t] = kIdle
     }
#endif
#ifdef ATTACH
  /* Thread 1 attaches, with a pointer that thread 0 holds at least until then. It is asked in the round
     that goes on only if it came before the asker had asked anybody. */
  :: atomic {
       t == 1 && at[1] == kAway && !came && RUNNING ->
       came = true;
       ANY_HELD(0, c);
       d_step {
         held[1] = BIT(c);
         c = 0;
         barrier_on[1] = ATTACH_BARRIER;
         black[1] = ATTACH_BLACK;
#ifndef NO_ATTACH_SCAN
         if
         :: phase == kH2 -> SHADE(1, held[1])
         :: else
         fi;
#endif
         at[1] = kIdle
       }
       if
       :: skip
       :: pending & 1 -> pending = pending | 2
       fi
     }
  /* It detaches; before that it answers what it was asked. */
  :: d_step {
       t == 1 && at[1] == kIdle && !went && !(pending & 2) && RUNNING ->
       went = true;
#ifndef DETACH_DROPS_BUFFER
       if
       :: phase <= kStop ->
          PUBLISHED(buffer[1]);
          grey = grey | buffer[1];
          reach = buffer[1];
          buffer[1] = 0;
          mark(reach);
          reach = 0
       :: else
       fi;
#endif
       buffer[1] = 0;
       held[1] = 0;
       barrier_on[1] = false;
       black[1] = false;
       at[1] = kAway
     }
#endif
#if ALLOCS > 0
  :: atomic {
       at[t] == kIdle && allocs[t] < ALLOCS && used != ALL && RUNNING ->
#ifdef COLOUR_STRADDLES_HANDSHAKE
       old[t] = black[t]; at[t] = kColour
     }
  :: atomic {
       at[t] == kColour && RUNNING && used != ALL ->
#endif
       if
       :: !(used & 1) -> c = 1
       :: !(used & 2) -> c = 2
#if OBJECTS > 2
       :: !(used & 4) -> c = 3
#endif
       fi;
       d_step {
         used = used | BIT(c);
         slot[c] = 0;
         held[t] = held[t] | BIT(c);
#ifdef COLOUR_STRADDLES_HANDSHAKE
         marked = (old[t] -> marked | BIT(c) : marked & ~BIT(c));
         old[t] = 0;
         at[t] = kIdle;
#else
         marked = (black[t] -> marked | BIT(c) : marked & ~BIT(c));
#endif
         allocs[t]++;
         c = 0
       }
     }
#endif
  od
}

/* ---------------------------------------------------------------- Handshakes
   Run at once, as the thread's own handler does: they touch the thread's block, its stack and one slot. */

inline shade_hazard_value(t) {
#ifndef NO_HAZARD_VALUE
  if
  :: HAZARD_VALUE(t) -> SHADE(t, BIT(store_value[t]))
  :: else
  fi
#else
  skip
#endif
}

inline shade_hazard_slot(t) {
#ifndef NO_HAZARD_SLOT
  if
  :: HAZARD_SLOT(t) -> SHADE(t, BIT(slot[store_slot[t]]))
  :: else
  fi
#else
  skip
#endif
}

inline h1(t) {
  barrier_on[t] = true;
  shade_hazard_value(t);
#ifdef NO_H1B
  shade_hazard_slot(t);
#endif
#ifdef BLACK_FROM_H1
  black[t] = true;
#endif
}

inline h1b(t) {
#ifndef H1B_IN_H2
  shade_hazard_slot(t)
#else
  skip
#endif
}

inline h2(t) {
#ifdef H1B_IN_H2
  shade_hazard_slot(t);
#endif
#ifdef NO_REGISTER_SCAN
  SHADE(t, held[t] & ~REGISTERS(t));
#elif defined(OLD_VALUE_BEFORE_HAZARD) || defined(OP_CAS)
  SHADE(t, held[t] | BIT(old[t]));
#elif defined(OP_BULK)
  SHADE(t, held[t] | REGISTERS(t));
#else
  SHADE(t, held[t]);
#endif
  black[t] = true
}

inline hand_over(t) {
  brought = brought || buffer[t] != 0;
#ifdef ASSISTS0
  brought = brought || report[t];
  report[t] = false;
#endif
  grey = grey | buffer[t];
  reach = buffer[t];
  buffer[t] = 0;
  mark(reach);
  reach = 0
}

/* ---------------------------------------------------------------- Collector */

#ifdef TRACE_BEFORE_H1_DONE
#define TRACING (phase <= kRound)
#else
#define TRACING (phase >= kH1b && phase <= kRound)
#endif

inline trace_value(v) {
  grey = grey | (BIT(v) & ~marked);
  mark(BIT(v))
}

/* One answer of one thread, and what follows when all have answered. */
inline answer(t) {
  pending = pending & ~(1 << t);
  if
  :: phase == kH1 -> h1(t)
  :: phase == kH1b ->
#ifdef H2_BEFORE_ALL_H1B
     h1b(t); h2(t)
#else
     h1b(t)
#endif
  :: phase == kH2 -> h2(t)
  :: phase == kRound -> hand_over(t)
  :: phase == kH3 -> barrier_on[t] = false
  :: phase == kH0 -> black[t] = false
  fi;
  if
  :: pending == 0 && phase == kH1 -> pending = ASKED;
#ifdef NO_H1B
     phase = kH2
#else
     phase = kH1b
#endif
  :: pending == 0 && phase == kH1b ->
#ifdef H2_BEFORE_ALL_H1B
     phase = kDrain
#else
     phase = kH2; pending = ASKED
#endif
  :: pending == 0 && phase == kH2 -> phase = kDrain
  :: pending == 0 && phase == kH3 -> phase = kFlip
  :: pending == 0 && phase == kH0 -> phase = kH1; pending = ASKED
  :: else
  fi
}

/* I1: called at the end of marking. */
inline check_marked() {
  closure();
  assert((reach & ~marked) == 0);
  reach = 0
}

inline marking_over() {
  root_done = false;
  brought = false;
#ifdef THROUGH_FLIP
  phase = kH3; pending = ASKED
#else
  phase = kDone
#endif
}

#define QUIET (grey == 0 && root_done)

proctype Collector() {
  do
  :: d_step { (pending & 1) && OPEN(0) -> answer(0) }
  :: d_step { (pending & 2) && OPEN(1) -> answer(1) }
  /* Trace: one root, one object at a time. */
  :: d_step { TRACING && !root_done -> trace_value(slot[0]); root_done = true }
  :: atomic {
       TRACING && grey != 0 ->
       if
       :: grey & 1 -> c = 1
       :: grey & 2 -> c = 2
#if OBJECTS > 2
       :: grey & 4 -> c = 3
#endif
       fi;
       d_step { grey = grey & ~BIT(c); trace_value(slot[c]); c = 0 }
     }
  /* F rounds. */
  :: d_step { phase == kDrain && QUIET -> phase = kRound; pending = ASKED; brought = false }
  :: atomic {
       phase == kRound && pending == 0 && QUIET ->
       if
#ifdef ONE_F_ROUND
       :: true ->
#else
       :: phase = kDrain; brought = false
       :: !brought ->
#endif
#if defined(RESCAN_ROOT) || defined(RESCAN_ALL)
          phase = kStop
#else
          d_step { check_marked(); marking_over() }
#endif
       fi
     }
#if defined(RESCAN_ROOT) || defined(RESCAN_ALL)
  /* A real stop: what has no barrier is scanned again, and marking is finished in it. */
  :: d_step {
       phase == kStop ->
       grey = 0;
       marked = marked | buffer[0] | buffer[1] | BIT(slot[0]);
#ifdef RESCAN_ALL
       marked = marked | held[0] | held[1];
#endif
       reach = marked;
       i = 0;
       do
       :: i < OBJECTS ->
          o = 1;
          do
          :: o <= OBJECTS ->
             if
             :: marked & BIT(o) -> marked = marked | BIT(slot[o])
             :: else
             fi;
             o++
          :: else -> break
          od;
          i++
       :: else -> break
       od;
       check_marked(); marking_over()
     }
#endif
#ifdef THROUGH_FLIP
  :: d_step {
       phase == kFlip ->
       check_marked();  /* keeps I2: what is not marked is freed now */
       used = used & marked;
       marked = 0;
       cycle++;
       o = 1;
       do
       :: o <= OBJECTS ->
          if
          :: used & BIT(o) -> skip
          :: else -> slot[o] = 0
          fi;
          o++
       :: else -> break
       od;
       o = 0;
       if
       :: cycle == CYCLES -> phase = kDone
#ifdef BLACK_SURVIVES_FLIP
       :: else -> phase = kH1; pending = ASKED
#else
       :: else -> phase = kH0; pending = ASKED
#endif
       fi
     }
#endif
  od
}

/* ---------------------------------------------------------------- Start
   Any heap, any stacks, each thread idle or just before a store whose flag test said off. */

inline choose_start(t) {
  if
  :: skip
  :: ANY_HELD(t, store_slot[t]);
     ANY_HELD(t, store_value[t]);
#ifdef OP_CAS
     ANY_HELD(t, old[t]);
#endif
     at[t] = kStoring
  fi
}

init {
  atomic {
    /* Objects are interchangeable: the used ones come first. */
#if ALLOCS > 0
    select(c : 0 .. OBJECTS);
#else
    c = OBJECTS;  /* garbage among them stands for fewer */
#endif
    used = (1 << c) - 1;
    if
    :: c == 0
    :: c > 0 -> select(o : 0 .. c); slot[0] = o; select(o : 0 .. c); slot[1] = o
    fi;
    if
    :: c > 1 -> select(o : 0 .. c); slot[2] = o
    :: else
    fi;
#if OBJECTS > 2
    if
    :: c > 2 -> select(o : 0 .. c); slot[3] = o
    :: else
    fi;
#endif
    select(o : 0 .. (1 << c) - 1); held[0] = o;
    select(o : 0 .. (1 << c) - 1); held[1] = o;
    c = 0; o = 0;
    choose_start(0);
#ifdef ATTACH
    if
    :: at[1] = kAway; held[1] = 0
    :: choose_start(1)
    fi;
#else
    choose_start(1);
#endif
    pending = ASKED;
    run Collector();
    run Mutator(0);
    run Mutator(1)
  }
}
