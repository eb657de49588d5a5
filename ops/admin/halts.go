package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/ops/admin/adminapi"
	"github.com/laneway-go/laneway/stream"
)

func (a *api) listHalts(_ *http.Request, who caller) (any, *problem) {
	body := adminapi.Halts{Halts: []adminapi.Halt{}}
	for _, p := range a.pipelines {
		for _, h := range p.Halts() {
			body.Halts = append(body.Halts, haltOf(p.id, h, who))
		}
	}
	return body, nil
}

// secret belongs to this process, so that an id does not confirm a guessed key.
var secret = rand.Text()

// idLength is the length of an id.
const idLength = 24

// idOf returns the id of a halt. If a record halts again, its id is another one, so that nobody
// skips a record that somebody else has just resumed.
func idOf(h stream.Halt) string {
	is := fmt.Appendf(nil, "%q %q %q %d %d %d %d %q %d", h.Scope, h.Meta.Source, h.Meta.Topic, h.Meta.Partition, h.Epoch, h.Meta.Offset, h.Last, h.Step, h.Since.UnixNano())
	if h.By != "" && h.Scope == stream.ScopeLane { // an operator may have parked several at one offset
		is = fmt.Appendf(is, " %q %q", secret, h.Meta.Key)
	}
	sum := sha256.Sum256(is)
	return hex.EncodeToString(sum[:idLength/2])
}

// standing is the halts of a pipeline by their ids.
type standing struct {
	pipeline string
	halts    map[string]stream.Halt
}

func (p piped) standing() standing {
	there := standing{p.id, map[string]stream.Halt{}}
	for _, h := range p.Halts() {
		there.halts[idOf(h)] = h
	}
	return there
}

// halt finds the halt that a caller has seen.
func (s standing) halt(id string) (stream.Halt, error) {
	if h, is := s.halts[id]; is {
		return h, nil
	}
	return stream.Halt{}, staleError("pipeline " + s.pipeline + " has no halt " + id + " any more: it was released, or the partition has moved; /v1/halts lists those that are there")
}

func haltOf(pipeline string, h stream.Halt, who caller) adminapi.Halt {
	b := adminapi.Halt{ID: idOf(h), Pipeline: pipeline, Scope: string(h.Scope), Source: legible.Text(h.Meta.Source), Topic: legible.Text(h.Meta.Topic), Partition: h.Meta.Partition, Epoch: h.Epoch,
		Offset: h.Meta.Offset, Last: h.Last, Joined: h.Joined, AsideFrom: positive(h.AsideFrom), Restored: h.Restored, By: h.By, Durable: h.Durable, Step: legible.Text(h.Step), Attempts: h.Attempts,
		Since: h.Since, ResumeAt: when(h.ResumeAt), Error: text(h.Err), Text: said(h, who.scope >= Read)}
	if who.scope >= Read {
		b.Key, b.Stack = legible.Key(h.Meta.Key), stackOf(h.Err)
	}
	b.Resume, b.Skip, b.Choose = verbs(h)
	return b
}

// said describes the halt in words, which may contain its key.
func said(h stream.Halt, keys bool) string {
	if !keys && len(h.Meta.Key) > 0 {
		h.Meta.Key = []byte(hidden)
	}
	return legible.Cut(h.String(), textMost)
}

// verbs says what Resume and Skip will do.
func verbs(h stream.Halt) (resume, skip string, choose bool) {
	which := legible.Text(h.Meta.String())
	span := fmt.Sprintf("%s … @%d", which, h.Last)
	switch {
	case h.By != "" && h.Scope == stream.ScopeLane:
		return "Lets the records of the key continue, in order.", "", false
	case h.By != "":
		return "Reads " + legible.Text(h.Meta.TopicPartition().String()) + " on from " + fmt.Sprint(h.Meta.Offset) + ".", "", false
	case h.Last > h.Meta.Offset && !h.Joined:
		return "Retries " + span + ", any of which may have failed. What has finished is not run again.",
			"Gives up those of " + span + " that you name: they count as done, and nobody processes them. The others are retried.", true
	case h.Joined:
		return "Retries " + span + ", which are one element. What has finished is not run again.",
			"Gives up all of " + span + ": they count as done, and nobody processes them.", false
	}
	return "Retries " + which + ". What has finished is not run again.",
		"Gives up " + which + ": it counts as done, and nobody processes it.", false
}

func stackOf(err error) string {
	if p, is := errors.AsType[*stream.PanicError](err); is {
		return legible.Cut(string(p.Stack), textMost)
	}
	return ""
}
