package store

import (
	"context"
	"math/rand/v2"
	"time"
)

// firstPause is the first pause of a Backoff.
const firstPause = 50 * time.Millisecond

// Backoff waits between attempts to reach a store that has failed. The pauses double,
// and are random, so that the clients of one store do not return together. The zero
// value is ready to use.
type Backoff struct {
	pause time.Duration // the maximum of the last pause
}

// Wait pauses for between half and all of the current pause, which is at most limit.
// The driver's own timeout comes on top of it. Wait reports false if the context ends
// first.
func (b *Backoff) Wait(ctx context.Context, limit time.Duration) bool {
	b.pause = min(max(2*b.pause, firstPause), limit)
	timer := time.NewTimer(b.pause/2 + rand.N(b.pause/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Reset makes the next pause the first one again. It is called after an attempt that
// succeeded.
func (b *Backoff) Reset() { b.pause = 0 }
