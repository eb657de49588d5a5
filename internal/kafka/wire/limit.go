package wire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const offsetMetadataMaxBytes = "offset.metadata.max.bytes"

var errNoSetting = errors.New("no broker tells its " + offsetMetadataMaxBytes)

// OffsetMetadataBytes asks the brokers that the metadata names, one after the other, for the most
// metadata that they store with an offset. It needs DESCRIBE_CONFIGS on the cluster.
func (c *Client) OffsetMetadataBytes(ctx context.Context) (int, error) {
	c.mu.Lock()
	ids := slices.Collect(maps.Keys(c.brokers))
	c.mu.Unlock()
	err := errNoSetting
	for _, id := range ids {
		n, failed := c.offsetMetadataBytes(ctx, id)
		if failed == nil || Fatal(failed) || ctx.Err() != nil {
			return n, failed
		}
		err = failed
	}
	return 0, err
}

// offsetMetadataBytes asks one broker: only a broker itself knows its settings.
func (c *Client) offsetMetadataBytes(ctx context.Context, id int32) (int, error) {
	of := kmsg.NewDescribeConfigsRequestResource()
	of.ResourceType, of.ResourceName = kmsg.ConfigResourceTypeBroker, strconv.Itoa(int(id))
	of.ConfigNames = []string{offsetMetadataMaxBytes}
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Resources = append(req.Resources, of)
	resp, err := answered[*kmsg.DescribeConfigsResponse](c.node(ctx, asking, id, req, math.MaxInt16))
	if err != nil {
		return 0, err
	}
	for _, r := range resp.Resources {
		if err := Code(r.ErrorCode).Err(); err != nil {
			return 0, fmt.Errorf("asking broker %d for its %s: %w", id, offsetMetadataMaxBytes, err)
		}
		for _, config := range r.Configs {
			if config.Name == offsetMetadataMaxBytes && config.Value != nil {
				return strconv.Atoi(*config.Value)
			}
		}
	}
	return 0, errNoSetting
}
