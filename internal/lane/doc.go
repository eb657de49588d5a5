// Package lane decides who works on what, and when: a keyed scheduler.
//
// Tasks that must follow one another share a Lane: a lane is worked on by at most one worker at a
// time, in the order in which its tasks came. A Set holds the lanes of one partition at one stage;
// a Pool holds the workers of that stage and the lanes that are ready for one. Scheduling is
// dynamic: whoever is free takes the next ready lane, so that a slow key delays only itself.
//
// A worker that has to wait (a retry, a slow sink, an acknowledgement) gives its slot up
// (Worker.Wait): another goroutine works meanwhile, never more than Slots at a time, and the
// waiting one takes a slot back before it goes on.
//
// The package knows nothing of records, tickets or types: a Task carries its owner in Of.
package lane
