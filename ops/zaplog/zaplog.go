// Package zaplog logs pipelines to zap.
//
//	Run(ctx, stream.Observe(zaplog.To(logger)))
package zaplog

import (
	"context"
	"errors"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/stream"
)

// To writes the events of a pipeline to a zap logger. See ops.Log for the events, their levels and
// the cost.
func To(l *zap.Logger) stream.Observer {
	if l == nil {
		return stream.Observer{Attach: func(*stream.Pipeline) (stream.Observer, error) {
			return stream.Observer{}, errors.New("zaplog.To was given no logger")
		}}
	}
	return ops.Log(slog.New(handler{l}))
}

// handler is a slog.Handler that writes to zap.
type handler struct{ to *zap.Logger }

func (h handler) Enabled(_ context.Context, l slog.Level) bool { return h.to.Core().Enabled(level(l)) }

func (h handler) Handle(_ context.Context, r slog.Record) error {
	e := h.to.Check(level(r.Level), r.Message)
	if e == nil {
		return nil
	}
	fs := make([]zap.Field, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		fs = append(fs, field(a))
		return true
	})
	e.Write(fs...)
	return nil
}

func (h handler) WithAttrs(as []slog.Attr) slog.Handler {
	fs := make([]zap.Field, len(as))
	for i, a := range as {
		fs[i] = field(a)
	}
	return handler{h.to.With(fs...)}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.to.With(zap.Namespace(name))} }

func field(a slog.Attr) zap.Field { return zap.Any(a.Key, a.Value.Any()) }

func level(l slog.Level) zapcore.Level {
	switch {
	case l < slog.LevelInfo:
		return zapcore.DebugLevel
	case l < slog.LevelWarn:
		return zapcore.InfoLevel
	case l < slog.LevelError:
		return zapcore.WarnLevel
	}
	return zapcore.ErrorLevel
}
