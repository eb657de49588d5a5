package stream

import "time"

// Where a commit stands decides the guarantee. Below the work: at least once. Above it: at most once for what is below, which an element reaches only
// after the broker has acknowledged it. Only the watermark is ever committed, so unordered work is safe.

// CommitEach commits as the watermark moves. At the end of a chain the element that moves it holds its lane until the acknowledgement;
// requests that come together go as one. Read again after a crash: at most what was running, or finished above the watermark.
func (s Stream[T]) CommitEach() Stream[T] {
	return then[T, T](s, &node{kind: kindCommit, word: "CommitEach", each: true})
}

// CommitEvery commits when n records are finished, over all partitions, or when wait has passed since the first of them (0: by count
// alone), and always on revoke and drain. Read again after a crash: what was running or finished above the watermark, and what was finished
// since the last commit.
func (s Stream[T]) CommitEvery(n int, wait time.Duration) Stream[T] {
	return then[T, T](s, &node{kind: kindCommit, word: "CommitEvery", n: n, wait: wait})
}
