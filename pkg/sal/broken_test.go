package sal

import (
	"slices"
	"testing"
	"time"
)

// with returns a copy of the log with other sinks.
func (l *Log) with(sinks ...Sink) *Log {
	other := *l
	other.Sinks = sinks
	return &other
}

// TestBrokenSinkWaits: messages for a sink with wrong settings wait under its
// name, do not delay others, and are delivered after its settings are right.
func TestBrokenSinkWaits(t *testing.T) {
	o := newOffice(t)
	l := o.log("h1", 1)
	bot, file := l.Sinks[0], l.Sinks[1]
	broken := l.with(bot, Broken{"file", PerHost})
	const waits = "not delivered: the settings of file are wrong: what it is to be told waits until they are right; the change is made and in the journal as "
	o.want("complaint", o.change(broken, false), waits+"1")
	o.want("complaint of a quiet one", o.change(broken, true), waits+"2")
	o.want("bot", o.bot.said(), "m1")
	o.want("outbox", o.outbox(), "h1/file/1 h1/file/2")
	o.want("redelivered", o.redeliver(broken), "bot 0, file 0 the settings of file are wrong: what it is to be told waits until they are right")
	o.want("mended", o.change(l.with(bot, file), false), "")
	o.want("file", o.written("h1"), "1 2 3")
	o.want("outbox", o.outbox(), "")

	// Another host delivers to a bot whose settings are wrong on this one.
	bots := l.with(Broken{"tcpircbot", Channel}, file)
	o.want("complaint", o.change(bots, false), "not announced: the settings of tcpircbot are wrong: what it is to be told waits until they are right; the change is made and in the journal as 4")
	o.want("complaint of a quiet one", o.change(bots, true), "")
	o.want("outbox", o.outbox(), "tcpircbot/4")
	o.want("another host", o.change(o.log("h2", 1), false), "")
	o.want("bot", o.bot.said(), "m3 m4 m6")
}

// TestUnreadSinkWaits: messages for a sink whose name cannot be read are sent to
// all sinks that have not received them, after all settings are right.
func TestUnreadSinkWaits(t *testing.T) {
	for name, deliver := range map[string]func(*office, *Log){
		"by the next change": func(o *office, l *Log) { o.want("complaint", o.change(l, true), "") },
		"by log deliver":     func(o *office, l *Log) { o.redeliver(l) },
		"by a service": func(o *office, l *Log) {
			for range 2 {
				if _, _, err := l.deliverOnce(o.Context()); err != nil {
					o.Error(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			l := o.log("h1", 1)
			bot, file := l.Sinks[0], l.Sinks[1]
			o.change(l.with(NewUnread(), file), false)                        // the name of the bot is unknown
			o.change(l.with(NewUnread(), Broken{"tcpircbot", Channel}), true) // the name of the file is unknown, and the change is quiet
			o.change(o.log("h2", 1).with(NewUnread()), false)                 // on another host with its own settings
			o.want("outbox", o.outbox(), "h1/sal/1 h1/sal/2 h2/sal/3")        // no message was readdressed
			o.want("still wrong", o.redeliver(l.with(NewUnread(), bot)), "bot 0, file 0 the settings of a sink are wrong: what it is to be told waits until they are right")
			deliver(o, l.with(bot, file))
			o.want("bot", o.bot.said(), "m1")
			got := o.written("h1")
			if got != "1 2" && got != "1 2 4" { // includes the change that delivers
				t.Errorf("file: %q", got)
			}
			o.want("outbox", o.outbox(), "h2/sal/3")
		})
	}
}

// TestUnreadOfSilentHost: a service delivers the messages of a host that no
// longer exists.
func TestUnreadOfSilentHost(t *testing.T) {
	o := newOffice(t)
	o.change(o.log("h2", 1).with(NewUnread()), false)
	o.sleep(silentTime + time.Hour)
	l := o.log("h1", 1)
	for range 2 {
		if _, _, err := l.deliverOnce(t.Context()); err != nil {
			t.Error(err)
		}
	}
	o.want("outbox", o.outbox(), "")
	o.want("file", o.written("h1"), "1")
}

// TestUnreadIsReadByAChange: every change reads messages that wait for right
// settings, and none for sinks that it cannot deliver to.
func TestUnreadIsReadByAChange(t *testing.T) {
	l := newOffice(t).log("h1", 1)
	want := []string{"/c/.confctl/outbox/h1/sal/", "/c/.confctl/outbox/tcpircbot/"}
	if got := l.with(l.Sinks[0], Broken{"file", PerHost}).Prefixes(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
