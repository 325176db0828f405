abi <abi/3.0>,
profile new {
  /srv/w rw,
  owner /srv/own r,
  /usr/bin/y cx -> child,
  userns create,
  io_uring sqpoll,
  io_uring override_creds label=a,
  network inet stream,
  unix create type=stream,
  unix (connect, send) type=stream addr=@a peer=(addr=@b, label=peer),
  profile child { /y r, }
}
