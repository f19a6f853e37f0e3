package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/spf13/viper"

	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// readSinks sets the sinks. If they cannot be read, there is one for all sinks
// with unknown names.
func (s *Settings) readSinks(n yamldoc.Node, v *viper.Viper) {
	bot := s.bot(v)
	unreadable := s.Mistake("sal") != nil
	if unreadable {
		n = yamldoc.Node{} // merge has recorded the mistake
	}
	sinks, errs := readSinks(n, bot, filepath.Dir(s.File))
	for _, err := range errs {
		s.mistaken(err, "sal")
	}
	if unreadable {
		sinks = append(sinks, sal.NewUnread())
	}
	s.Sinks = sinks
}

// bot returns the bot of config.yaml; nil if it has none.
func (s *Settings) bot(v *viper.Viper) sal.Sink {
	host, port := v.GetString("tcpircbot_host"), v.GetInt("tcpircbot_port")
	mistaken := func(setting string) bool { return s.Mistake(setting) != nil }
	noPort := port < 1 || port > 65535
	if host != "" && !mistaken("tcpircbot_port") && noPort {
		s.mistaken(&Error{Setting: "tcpircbot_port", Msg: fmt.Sprintf("tcpircbot_port cannot be %d; it is a port from 1 to 65535", port)})
	}
	bot := sal.Bot{Address: joinHostPort(host, strconv.Itoa(port))}
	switch {
	case mistaken("tcpircbot_host"), host != "" && (noPort || mistaken("tcpircbot_port")):
		return sal.Broken{Label: bot.Name(), Is: bot.Kind()}
	case host == "":
		return nil
	}
	return bot
}

// readSinks reads the setting sal of confctl.yaml. The bot of config.yaml, unless
// it is nil, is added if there is no other tcpircbot. A sink with a mistake
// becomes a sal.Broken, so that its announcements wait; the errors are the
// mistakes.
func readSinks(n yamldoc.Node, bot sal.Sink, dir string) ([]sal.Sink, []error) {
	l := sinkList{named: map[string]yamldoc.Node{}}
	var items []yamldoc.Node
	if !n.IsEmpty() {
		var err error
		if items, err = n.Items("sal"); err != nil {
			l.errs, l.unread = append(l.errs, err), true
		}
	}
	var broken []yamldoc.Node
	for _, item := range items {
		if s, err := readSink(item, dir); err == nil {
			l.add(s, item)
		} else {
			broken, l.errs = append(broken, item), append(l.errs, err)
		}
	}
	for _, item := range broken { // valid sinks take precedence for a name
		l.addBroken(item)
	}
	if bot != nil && !slices.ContainsFunc(l.sinks, isChannel) {
		l.addBot(bot)
	}
	if l.unread {
		l.sinks = append(l.sinks, sal.NewUnread())
	}
	return l.sinks, l.errs
}

func isChannel(s sal.Sink) bool { return s.Kind() == sal.Channel }

// sinkList is the sinks read so far.
type sinkList struct {
	sinks  []sal.Sink
	named  map[string]yamldoc.Node
	unread bool // there are sinks with unknown names
	errs   []error
}

// add adds a sink, unless its name is taken.
func (l *sinkList) add(s sal.Sink, at yamldoc.Node) {
	if other, taken := l.named[s.Name()]; taken {
		l.errs = append(l.errs, at.Errorf("duplicate sink %s, first in line %d; give one of them another name with name: WORD", s.Name(), other.Pos().Line))
		l.unread = true
		return
	}
	l.named[s.Name()], l.sinks = at, append(l.sinks, s)
}

// addBroken adds a sink with a mistake, under the name that it will have after
// the mistake is corrected. If that name is unknown or taken, it sets unread.
func (l *sinkList) addBroken(n yamldoc.Node) {
	s, known := brokenSink(n)
	if _, taken := l.named[s.Name()]; taken || !known {
		l.unread = true
		return
	}
	l.named[s.Name()], l.sinks = n, append(l.sinks, s)
}

// addBot adds the bot of config.yaml.
func (l *sinkList) addBot(s sal.Sink) {
	if other, taken := l.named[s.Name()]; taken {
		l.errs = append(l.errs, other.Errorf("a sink cannot be named %s, the name of the bot of tcpircbot_host in config.yaml", s.Name()))
		l.unread = true
		return
	}
	l.sinks = append(l.sinks, s)
}
