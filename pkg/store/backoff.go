package store

import (
	"context"
	"math/rand/v2"
	"time"
)

// firstPause is the first of a Backoff.
const firstPause = 50 * time.Millisecond

// Backoff is the pauses between the attempts of those who follow a store over
// its failures: each twice as long as the one before. Those who lost the same
// store do not come back together. The zero value is ready.
type Backoff struct {
	pause time.Duration // the last one
}

// Wait is one pause: between half and all of its time, which is at most as long
// as said. The driver's own patience comes on top of it. Wait reports false if
// the context ends first.
func (b *Backoff) Wait(ctx context.Context, most time.Duration) bool {
	b.pause = min(max(2*b.pause, firstPause), most)
	timer := time.NewTimer(b.pause/2 + rand.N(b.pause/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Reset has the pauses begin anew: an attempt went well.
func (b *Backoff) Reset() { b.pause = 0 }
