package stream

// commits checks what the guarantee rests on.
func (c *checker) commits() {
	var commit *node
	for _, n := range c.nodes {
		switch {
		case n.kind == kindPolicy && n.policy.kind == haltPolicy:
			if commit != nil && commit.kind == kindCommit {
				c.say(n.word, "below a commit there is no record left to freeze", "put it above "+commit.word)
			}
		case n.kind == kindCommit, n.kind == kindTransact:
			if commit != nil {
				c.say(n.word, "a second commit", "the first one decides the guarantee; take one of them out")
			}
			if c.info.NoCommit != "" && (n.kind == kindCommit || n.commitsGroup()) {
				c.say(n.word, "there is nowhere to commit: "+c.info.NoCommit, "take the word out")
			}
			commit = n
		}
	}
	if commit == nil && c.info.MustCommit {
		c.say("", "nothing commits, so every start would read everything again",
			"end the chain with CommitEach or CommitEvery (at least once) or CommitWith (exactly once), or put one of the first two above the work (at most once)")
	}
}

// transacts checks what exactly once rests on.
func (c *checker) transacts() {
	for i, n := range c.nodes {
		if n.kind != kindTransact {
			continue
		}
		if (&plan{nodes: c.nodes}).workBelow(i + 1) {
			c.say(n.label(), "work stands below it, which no transaction would hold", "end the chain with "+n.word)
		}
		for _, p := range governing(c.nodes[i+1:]) {
			if p.kind == skipPolicy || p.kind == deadLetterPolicy {
				c.say(p.word, "it would give up results that are finished, and go on without them",
					"RetryOnError, HaltOnError and FailOnError govern "+n.word+"; put "+p.word+" above it")
			}
		}
	}
}

// commitsGroup reports whether the transactor stores the offsets of the group.
func (n *node) commitsGroup() bool {
	if n.transact == nil {
		return false
	}
	g, ok := n.transact.is().(interface{ CommitsGroup() bool })
	return ok && g.CommitsGroup()
}

// sinks asks those that can tell what is wrong with their configuration.
func (c *checker) sinks() {
	for _, s := range (&plan{nodes: c.nodes}).sinks() {
		if s, ok := s.(interface{ Check() error }); ok {
			if err := guarded(s.Check); err != nil {
				c.faults = append(c.faults, err)
			}
		}
	}
}
