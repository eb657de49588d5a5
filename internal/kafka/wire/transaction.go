package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Transaction sends req to the coordinator of the transactional id, up to version limit. A response
// that says that the coordinator has moved is returned; the next call looks it up again.
func (c *Client) Transaction(ctx context.Context, id string, req kmsg.Request, limit int16) (kmsg.Response, error) {
	return c.coordinated(ctx, transacting, coordinatorKey{ofTransaction, id}, req, limit)
}

// TransactionVersion returns the cluster's transaction protocol (transaction.version, KIP-890), as
// reported by the coordinator of the transactional id. Older clusters report 0.
func (c *Client) TransactionVersion(ctx context.Context, id string) (int16, error) {
	l, _, err := c.negotiateWith(ctx, transacting, coordinatorKey{ofTransaction, id})
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.transactions, nil
}

// TransactionOffsets sends offsets of a transaction to the coordinator of the group, up to version
// limit. Like Commit, it has its own connections.
func (c *Client) TransactionOffsets(ctx context.Context, group string, req *kmsg.TxnOffsetCommitRequest, limit int16) (*kmsg.TxnOffsetCommitResponse, error) {
	return c.commitTransactionOffsets(ctx, group, req, limit)
}
