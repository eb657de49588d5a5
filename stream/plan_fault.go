package stream

// Codes of faults: see BuildError.
const (
	faultNil    = "LW101" // nil where a value is needed
	faultRange  = "LW102" // a number or a duration outside its range
	faultRetry  = "LW103" // a RetryPolicy that contradicts itself
	faultOption = "LW104" // an option that its word has no use for
	faultName   = "LW105" // a step's name that is empty or taken
	faultClose  = "LW106" // a Close that would never be called

	faultNoCommit  = "LW110" // nothing commits
	faultSecond    = "LW111" // a second commit
	faultNowhere   = "LW112" // the source stores no offsets
	faultUncovered = "LW113" // work on the wrong side of a commit
	faultSilent    = "LW114" // a commit that a silent topic never makes
	faultGivesUp   = "LW115" // a policy that would give up finished results

	faultNoOrder  = "LW120" // no order is left to keep
	faultCoarser  = "LW121" // the order above is not enough
	faultBatchKey = "LW122" // a batch has no single key
	faultUnbound  = "LW123" // a goroutine for each key

	faultUnreached  = "LW130" // no failure reaches a policy
	faultTwoRetries = "LW131" // a retry above takes every failure
	faultHalt       = "LW132" // a halt below a commit

	faultChain      = "LW133" // a chain without a beginning, or one that breaks off
	faultObserver   = "LW134" // an observer refuses
	faultMiddleware = "LW135" // a middleware panicked
	faultSupervise  = "LW136" // what Supervise was given
	faultOperator   = "LW137" // an operator refuses its arguments: see Invalid
	faultPark       = "LW138" // a park that nothing could pass
	faultMerge      = "LW139" // sources that cannot be merged
	faultBranch     = "LW140" // a branch that commits, or does nothing
)
