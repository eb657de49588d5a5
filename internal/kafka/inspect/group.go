// Package inspect looks at a consumer group from outside: who is in it, what it has stored, and how
// far behind it is. It changes what is stored only while the group has no members.
package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Group is the state of a group.
type Group struct {
	State   string // in Kafka's words: Empty, Stable, …; Dead: there is no such group
	Members []Member
}

// Member is a member of a group.
type Member struct {
	ID       string
	Instance string // of a static member; empty: it is none
	Client   string
	Host     string
}

// Describe returns the state of a group, under either group protocol.
func Describe(ctx context.Context, c *wire.Client, group string) (Group, error) {
	g, err := classic(ctx, c, group)
	if err != nil || len(g.Members) > 0 {
		return g, err
	}
	newer, err := consumer(ctx, c, group)
	if err != nil || newer.State != dead {
		return newer, err
	}
	return g, nil
}

// dead is the state of a group that the broker does not know, or knows under the other protocol.
const dead = "Dead"

// describesUnknown is the last version of DescribeGroups that describes an unknown group as dead,
// instead of with an error.
const describesUnknown = 5

func classic(ctx context.Context, c *wire.Client, group string) (g Group, err error) {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{group}
	resp, err := ask[*kmsg.DescribeGroupsResponse](ctx, group, "describe it", c.Group, wire.Capped{Request: req, Max: describesUnknown}, func(resp *kmsg.DescribeGroupsResponse) wire.Code {
		for _, d := range resp.Groups {
			return wire.Code(d.ErrorCode)
		}
		return wire.UnknownServerError
	})
	if errors.Is(err, wire.GroupIDNotFound) {
		return Group{State: dead}, nil
	}
	if err != nil {
		return g, err
	}
	d := resp.Groups[0]
	g.State = d.State
	for _, m := range d.Members {
		g.Members = append(g.Members, Member{m.MemberID, text(m.InstanceID), m.ClientID, m.ClientHost})
	}
	return g, nil
}

// consumer describes a group of KIP-848.
func consumer(ctx context.Context, c *wire.Client, group string) (g Group, err error) {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{group}
	resp, err := ask[*kmsg.ConsumerGroupDescribeResponse](ctx, group, "describe it", c.Group, req, func(resp *kmsg.ConsumerGroupDescribeResponse) wire.Code {
		for _, d := range resp.Groups {
			return wire.Code(d.ErrorCode)
		}
		return wire.UnknownServerError
	})
	_, old := errors.AsType[*wire.UnsupportedError](err)
	switch {
	case old || errors.Is(err, wire.GroupIDNotFound):
		return Group{State: dead}, nil
	case err != nil:
		return g, err
	}
	d := resp.Groups[0]
	g.State = d.State
	for _, m := range d.Members {
		g.Members = append(g.Members, Member{m.MemberID, text(m.InstanceID), m.ClientID, m.ClientHost})
	}
	return g, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

var retries = backoff.Policy{First: 100 * time.Millisecond, Most: 2 * time.Second}

type sender = func(context.Context, string, kmsg.Request) (kmsg.Response, error)

// ask sends a request to the group's coordinator until there is an answer that no retry improves,
// or ctx ends.
func ask[R kmsg.Response](ctx context.Context, group, op string, send sender, req kmsg.Request, code func(R) wire.Code) (resp R, err error) {
	for try := 1; ; try++ {
		resp, err = once(ctx, group, op, send, req, code)
		if !wire.Retriable(err) || !retries.Pause(ctx, try) {
			return resp, err
		}
	}
}

func once[R kmsg.Response](ctx context.Context, group, op string, send sender, req kmsg.Request, code func(R) wire.Code) (resp R, err error) {
	r, err := send(ctx, group, req)
	if err == nil {
		resp = r.(R)
		err = code(resp).Err()
	}
	if err != nil {
		return resp, fmt.Errorf("group %s: %s: %w", group, op, err)
	}
	return resp, nil
}
