// Package lane is a keyed scheduler: it decides which worker runs which task, and when.
//
// Tasks that must run in order share a Lane. At most one worker runs a lane at a time, and runs its
// tasks in the order they were put. A Set holds the lanes of one partition at one stage. A Pool
// holds the workers of that stage and the lanes ready for them. Any free worker takes the next
// ready lane, so a slow key delays only itself.
//
// A worker that has to wait (for a retry, a slow sink, an acknowledgement) gives up its slot
// (Worker.Wait). Another goroutine uses the slot, so that never more than Slots run at once. The
// waiting worker takes a slot back before it continues.
//
// The package knows nothing of records, tickets or types: a Task carries its owner's data in Tag.
package lane
