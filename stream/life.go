package stream

// status is the state of an assignment: its life, its halt, and its source's halt. All code asks
// one of the questions below instead of reading the bits. Workers read it before they start a
// record. It is written under part.mu.
type status uint32

// life never goes back.
type life uint32

const (
	open life = iota
	// revoked, or the pipeline drains: started records may finish, no new one is started
	draining
	cancelled // the drain timed out: contexts are cancelled and results no longer count
	released  // revoked or lost: the assignment is over
)

// halted is the reason why no record is started.
type halted uint32

const (
	notHalted     halted = iota
	byRecord             // a step halted the partition at a record
	byTransaction        // a transaction halted it or failed the pipeline: no other may follow
	resuming             // the halt is over, and the records it dropped go back into their lanes
)

const (
	lifeBits            = 3
	haltShift           = 2
	haltBits            = 3 << haltShift
	sourceHalted status = 1 << 4 // the source halted: nothing is fed, fed records are processed
	unplaced     status = 1 << 5 // the transactor has not restored the offset yet: nothing is fed
	someParked   status = 1 << 6 // lanes or records are parked; the others are processed
)

func (s status) life() life     { return life(s & lifeBits) }
func (s status) halted() halted { return halted(s & haltBits >> haltShift) }

// haltedBy returns the reason of the current halt. A partition that is resuming is not halted.
func (s status) haltedBy() halted {
	if s.halted() == resuming {
		return notHalted
	}
	return s.halted()
}

func (s status) isReleased() bool { return s.life() == released }

// feeds reports whether the source may feed more records.
func (s status) feeds() bool { return s&^someParked == 0 }

// accepts reports whether records from the source are accepted. This also holds for records that
// the source feeds after it was asked to stop.
func (s status) accepts() bool { return s.life() == open && s&unplaced == 0 }

// begins reports whether a record may be started or passed to its next step.
func (s status) begins() bool { return s.life() <= draining && s.halted() == notHalted }

// counts reports whether a result still counts.
func (s status) counts() bool { return s.life() <= draining }

// waits reports whether a wait, for example before a retry, may continue.
func (s status) waits() bool { return s.life() == open && s.halted() == notHalted }

// writes reports whether finished records may go into a transaction.
func (s status) writes() bool { return s.life() < released && s.halted() != byTransaction }

func (s status) withLife(l life) status     { return s&^lifeBits | status(max(s.life(), l)) }
func (s status) withHalted(h halted) status { return s&^haltBits | status(h)<<haltShift }
