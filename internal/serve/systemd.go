package serve

import (
	"context"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// startTime is how long the service waits for the store before it reports that it
// is ready. After that it answers as well as it can without the store.
const startTime = 5 * time.Second

// notifySystemd notifies systemd, if it has asked for that, that the service is
// ready, alive and ending.
func (v *service) notifySystemd(ctx context.Context) error {
	select {
	case <-v.loaded():
	case <-time.After(startTime):
	case <-ctx.Done():
	}
	v.notify(daemon.SdNotifyReady)
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		v.Warn("the watchdog of systemd: " + err.Error())
	}
	var alive <-chan time.Time
	if every > 0 {
		ticker := time.NewTicker(every / 2)
		defer ticker.Stop()
		alive = ticker.C
	}
	for {
		select {
		case <-alive:
			if !v.stuck() {
				v.notify(daemon.SdNotifyWatchdog)
			}
		case <-ctx.Done():
			v.notify(daemon.SdNotifyStopping)
			return nil
		}
	}
}

// loaded returns a channel that is closed after the store was read, or a closed
// one if no part listens.
func (v *service) loaded() <-chan struct{} {
	if v.Settings.Gateway.Listen.Text == "" && v.Settings.Metrics.Text == "" {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	return v.mirror.Loaded()
}

// stuck reports whether the store has been silent for a long time without an
// error.
func (v *service) stuck() bool {
	age, ever := v.mirror.Age()
	return ever && age > 3*staleAfter && v.mirror.Status().Err == nil
}

func (v *service) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		v.Warn("telling systemd " + strings.ToLower(state) + ": " + err.Error())
	}
}
