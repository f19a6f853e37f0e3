package main

import (
	"context"
	"net/url"
	"slices"

	"github.com/conftool/confctl/pkg/dump"
	"github.com/conftool/confctl/pkg/etcdv2"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// v2Source is the keys of the Python tool. What does not fit the schema is left
// out, as a site can hardly be moved in one go otherwise.
func (s *session) v2Source(o importOptions, types []*schema.Type) (source, error) {
	c, err := s.v2Config(o)
	if err != nil {
		return source{}, err
	}
	read := func(ctx context.Context) (dump.Dump, []*yamldoc.Error, error) {
		keys, err := etcdv2.Read(ctx, c, s.settings.namespace+"/"+s.settings.apiVersion)
		if err != nil {
			return dump.Dump{}, nil, err
		}
		found := s.catalog.Decode(keys.Entries, s.schema.Types()...)
		var strays limited
		for _, key := range found.Strays {
			strays.add("key %s is no object of any type; left out", key)
		}
		strays.warn(s.streams)
		found.Objects = slices.DeleteFunc(found.Objects, func(o object.Object) bool { return !slices.Contains(types, o.Type) })
		d, left := dump.Of(s.schema, found, func(o object.Object) string { return s.catalog.Key(o) })
		return d, left, nil
	}
	return source{name: o.fromV2, read: read}, nil
}

// v2Config says where the API is and as whom to ask it. The password of one
// cluster is not sent to another.
func (s *session) v2Config(o importOptions) (etcdv2.Config, error) {
	c := etcdv2.Config{URL: o.fromV2}
	rc := etcdrc{}
	switch {
	case o.etcdrc != "":
		if err := rc.merge(o.etcdrc); err != nil {
			return c, err
		}
	case s.settings.driver == "etcd":
		usual, err := loadEtcdrc(s.settings)
		if err != nil {
			return c, err
		}
		if own, err := usual.serves(o.fromV2, s.settings.hosts); err != nil || own {
			rc = usual
		}
	}
	cert, key, err := rc.certificate()
	if err != nil {
		return c, err
	}
	c.Username, c.Password = rc["username"].Text(), rc["password"].Text()
	c.TLS, err = etcd.TLS(rc["ca_cert"].Text(), cert, key)
	return c, err
}

// serves reports whether a URL is of one of the hosts of an etcdrc, or of those
// that stand for them when there are none.
func (rc etcdrc) serves(address string, hosts []string) (bool, error) {
	endpoints, err := rc.endpoints()
	if err != nil {
		return false, err
	}
	if len(endpoints) == 0 {
		endpoints = hosts
	}
	at, err := url.Parse(address)
	if err != nil {
		return false, nil //nolint:nilerr // the reader says better what is wrong with it
	}
	return slices.ContainsFunc(endpoints, func(e string) bool {
		u, err := url.Parse(e)
		return err == nil && u.Hostname() == at.Hostname()
	}), nil
}
