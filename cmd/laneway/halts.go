package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func haltsCommand() *cobra.Command {
	var r remote
	var o output
	var pipeline string
	c := &cobra.Command{
		Use:   "halts [ID]...",
		Short: "List what is halted, parked or paused, or show halts in full",
		Long: `Lists what is halted, parked or paused, oldest first, with the ids for resume and skip. The
beginning of an id is enough if only one halt has it. With ids it shows these halts in full: what
resume and skip will do, the error, the stack of a panic and, if the worker has admin.Previews, the
record. Keys, stacks and records need a token.`,
		Example: `  laneway halts
  laneway halts 70d2e38d`,
		RunE: func(c *cobra.Command, ids []string) error {
			f, err := r.find(c.Context())
			if err != nil {
				return err
			}
			defer f.Close()
			views, incomplete := look(c.Context(), f, pipeline)
			hs := halts(views)
			size := shortest(hs)
			if len(ids) > 0 {
				hs, err = pick(c.Context(), f, hs, ids)
			}
			switch {
			case o == asJSON:
				err = errors.Join(err, writeJSON(c.OutOrStdout(), haltsJSON(views, hs)))
			case len(ids) > 0:
				for _, h := range hs {
					h.writeFull(c.Context(), c.OutOrStdout(), size)
				}
			default:
				err = writeHalts(c.OutOrStdout(), views, hs)
			}
			return errors.Join(err, incomplete)
		},
	}
	r.flags(c.Flags())
	r.completeWith(c, haltIDs)
	o.flag(c)
	c.Flags().StringVar(&pipeline, "pipeline", "", "only this `pipeline`")
	return c
}

// replicaJSON is a replica, with an error if it has not answered.
type replicaJSON struct {
	At    string `json:"replica"`
	Error string `json:"error,omitempty"`
}

func replicasJSON(views []view) (all []replicaJSON) {
	for _, v := range views {
		all = append(all, replicaJSON{v.At, v.Error})
	}
	return all
}

func haltsJSON(views []view, hs []halted) any {
	return struct {
		Replicas []replicaJSON `json:"replicas"`
		Halts    []halted      `json:"halts"`
	}{replicasJSON(views), append([]halted{}, hs...)}
}

func writeHalts(w io.Writer, views []view, hs []halted) error {
	if len(hs) == 0 {
		if unanswered(views) == len(views) {
			return nil
		}
		_, err := fmt.Fprintf(w, "Nothing is halted, parked or paused%s.\n", asFarAs(views))
		return err
	}
	size := shortest(hs)
	t := newTable("ID", "WHAT", "RECORD", "KEY", "STEP", "ATTEMPTS", "FOR", "REPLICA", "ERROR")
	for _, h := range hs {
		if h.byHand() {
			t.row(h.ID[:size], h.what(), h.place().String(), h.Key, "", "", h.lasts(), h.At, h.Error)
			continue
		}
		t.row(h.ID[:size], h.what(), h.span(), h.Key, h.Step, fmt.Sprint(h.Attempts), h.lasts(), h.At, h.Error)
	}
	return t.write(w)
}

// what says what has stopped.
func (h halted) what() string {
	switch {
	case h.paused():
		return "paused"
	case h.Scope == "partition":
		return "halted"
	case h.Scope == "lane":
		return "parked key"
	}
	return "parked record"
}

// span names the records that may have failed.
func (h halted) span() string {
	if h.Last > h.Offset {
		return fmt.Sprintf("%s…%d", h.record(), h.Last)
	}
	return h.record()
}

// lasts says how long the halt has lasted, and when it ends by itself.
func (h halted) lasts() string {
	text := ago(h.view.now().Sub(h.Since))
	if h.ResumeAt != nil {
		text += ", ends in " + ago(h.ResumeAt.Sub(h.view.now()))
	}
	return text
}

// writeFull writes everything that is known about a halt.
func (h halted) writeFull(ctx context.Context, w io.Writer, size int) {
	line := func(title, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %-8s %s\n", title, strings.ReplaceAll(printable(strings.TrimSpace(text)), "\n", "\n           "))
		}
	}
	fmt.Fprintf(w, "%s  %v %s, for %s\n", h.ID[:size], h.place(), h.what(), h.lasts())
	line("at", h.At+", pipeline "+h.Pipeline)
	line("by", h.By)
	line("key", h.Key)
	if !h.byHand() {
		line("record", h.span())
		line("step", fmt.Sprintf("%s, after %s", h.Step, counted(h.Attempts, "attempt")))
		line("error", h.Error)
	}
	if h.byHand() && !h.Durable {
		line("lasts", "until then, or until another worker gets the partition")
	}
	line("resume", h.Resume)
	line("skip", h.skips())
	if h.view.Process.Previews && !h.byHand() {
		shown, err := h.view.replica.Record(ctx, h.Halt)
		switch {
		case err != nil:
			line("preview", "none: "+err.Error())
		case shown.Truncated:
			line("preview", shown.Text+"\n… (cut)")
		default:
			line("preview", shown.Text)
		}
	}
	line("stack", h.Stack)
}

func (h halted) skips() string {
	if h.Choose {
		return h.Skip + " Name them with --from and --to."
	}
	return h.Skip
}
