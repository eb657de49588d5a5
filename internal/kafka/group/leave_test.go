package group

import (
	"cmp"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The group waits for a member that has not left until its session ends.
func TestLeave(t *testing.T) {
	inVirtualTime(t, "with the id that the answer to the first join has", func(t *testing.T, c virtual) {
		w := newWorker(t, c, newFloor(), "w", func(w *worker) { w.cfg.Requester = late{w.cl, func() { w.stop() }} })
		var left []string
		c.ControlKey(int16(kmsg.LeaveGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
			left = append(left, req.(*kmsg.LeaveGroupRequest).Members[0].MemberID)
			return nil, nil, false
		})
		if err := w.start(t).wait(t); err != nil {
			t.Error(err)
		}
		if len(left) != 1 || left[0] == "" || left[0] != w.memberID() {
			t.Errorf("%q left, the member is %q", left, w.memberID())
		}
	})
	inVirtualTime(t, "does not wait for long for that answer", func(t *testing.T, c virtual) {
		w := newWorker(t, c, newFloor(), "w", func(w *worker) { w.cfg.Requester = silent{w.cl} })
		w.start(t)
		synctest.Wait()
		began := time.Now()
		if err := w.end(t); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != leaveTimeout {
			t.Errorf("took %v", took)
		}
	})
	for name, fails := range map[string]func(*worker, kmsg.Request) (kmsg.Response, error){
		"again if the coordinator has moved": func(*worker, kmsg.Request) (kmsg.Response, error) {
			resp := kmsg.NewPtrLeaveGroupResponse()
			resp.ErrorCode = kerr.NotCoordinator.Code
			return resp, nil
		},
		"again if a connection broke": func(*worker, kmsg.Request) (kmsg.Response, error) { return nil, io.ErrUnexpectedEOF },
		"again if only the answer was lost": func(w *worker, req kmsg.Request) (kmsg.Response, error) {
			_, err := w.cl.send(context.Background(), "billing", req)
			return nil, errors.Join(io.ErrUnexpectedEOF, err)
		},
	} {
		inVirtualTime(t, name, func(t *testing.T, c virtual) {
			f := newFloor()
			w := newWorker(t, c, f, "w")
			leaves := 0
			w.cl.hook = func(req kmsg.Request) (resp kmsg.Response, err error, handled bool) {
				if _, leave := req.(*kmsg.LeaveGroupRequest); !leave {
					return nil, nil, false
				}
				if leaves++; leaves > 3 {
					return nil, nil, false
				}
				resp, err = fails(w, req)
				return resp, err, true
			}
			w.start(t)
			f.awaitShares(t, map[string]int{"w": 6})
			if err := w.end(t); err != nil {
				t.Error(err)
			}
			if g := c.GroupInfo("billing"); len(g.Members) > 0 {
				t.Errorf("members remain: %v", g.Members)
			}
			if last := w.events[len(w.events)-1]; last.Name != "left" || last.Err != nil {
				t.Errorf("told last: %+v", last)
			}
		})
	}
}

// silent is a client that no broker answers.
type silent struct{ *client }

func (silent) Group(ctx context.Context, _ string, _ kmsg.Request) (kmsg.Response, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// late is a client that stops its user once the broker has answered the first join.
type late struct {
	*client
	stop func()
}

func (l late) Group(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error) {
	join, is := req.(*kmsg.JoinGroupRequest)
	if !is || join.MemberID != "" {
		return l.client.Group(ctx, group, req)
	}
	resp, err := l.send(context.Background(), group, req)
	l.stop()
	synctest.Wait() // its context has ended
	return resp, cmp.Or(ctx.Err(), err)
}
