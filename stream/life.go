package stream

// status is where an assignment stands: how far its life has come, what has halted it, and whether
// its source has. Everything that asks for it asks one of the questions below. It is read in every
// worker before a record is started, and written under part.mu.
type status uint32

// life only rises.
type life uint32

const (
	open life = iota
	// revoked, or the pipeline drains: started records may finish, no other is started
	draining
	cancelled // the drain ran out of time: contexts have ended, results no longer count
	released  // let go or lost
)

// halted is why no record is started.
type halted uint32

const (
	notHalted     halted = iota
	byRecord             // a step has halted the partition at a record
	byTransaction        // a transaction has, or it has failed the pipeline: none may follow it
	resuming             // the halt is over, and what it dropped goes back into its lanes
)

const (
	lifeBits            = 3
	haltShift           = 2
	haltBits            = 3 << haltShift
	sourceHalted status = 1 << 4 // the source has halted: nothing is fed, what was fed goes on
	// the transactor has not said yet where the partition starts: nothing is fed
	unplaced status = 1 << 5
)

func (s status) life() life     { return life(s & lifeBits) }
func (s status) halted() halted { return halted(s & haltBits >> haltShift) }

// haltedBy is what has halted the partition; one that is resuming is not halted any more.
func (s status) haltedBy() halted {
	if s.halted() == resuming {
		return notHalted
	}
	return s.halted()
}

func (s status) isReleased() bool { return s.life() == released }

// feeds reports whether the source may feed more.
func (s status) feeds() bool { return s == 0 }

// accepts reports whether what the source brings is taken, also where it was asked to feed no more.
func (s status) accepts() bool { return s.life() == open && s&unplaced == 0 }

// begins reports whether a record may be started, or go on to its next step.
func (s status) begins() bool { return s.life() <= draining && s.halted() == notHalted }

// counts reports whether a result still counts.
func (s status) counts() bool { return s.life() <= draining }

// waits reports whether a retry, or another wait, may go on.
func (s status) waits() bool { return s.life() == open && s.halted() == notHalted }

// writes reports whether finished records may go into a transaction.
func (s status) writes() bool { return s.life() < released && s.halted() != byTransaction }

func (s status) withLife(l life) status     { return s&^lifeBits | status(max(s.life(), l)) }
func (s status) withHalted(h halted) status { return s&^haltBits | status(h)<<haltShift }

// status is where the partition stands now.
func (p *part) status() status { return status(p.stands.Load()) }

// setStatus moves the partition to another status, and ends the waits that may not go on there. It
// returns the status before.
func (p *part) setStatus(to func(status) status) (before status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before = p.status()
	p.stand(to(before))
	return before
}

// stand sets the status. The caller holds mu.
func (p *part) stand(s status) {
	p.stands.Store(uint32(s))
	if s.waits() {
		return
	}
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
}

// rise moves the partition on in its life; false: it had come that far before.
func (p *part) rise(l life) bool {
	return p.setStatus(func(s status) status { return s.withLife(l) }).life() < l
}
