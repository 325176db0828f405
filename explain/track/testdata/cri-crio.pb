
à
@610713dca419d7deb83a1246d0c1ee0ac2e23b81cbb29bba37147e88e1848cda
app ÄÄÑßÍèÂÃ(ÄîÔÉÓèÂÃ0Ä‡©Ω•°ÂÃ8âB
quay.io/example/app:9b#
io.kubernetes.container.nameappb
io.kubernetes.pod.nameapp-0b$
io.kubernetes.pod.namespacestager

/x/yÇ
Ëò˝
infoÙ{"pid":20202,"privileged":false,"runtimeSpec":{"annotations":{"io.container.manager":"cri-o","io.kubernetes.container.name":"app","io.kubernetes.cri-o.ContainerID":"610713dca419d7deb83a1246d0c1ee0ac2e23b81cbb29bba37147e88e1848cda","io.kubernetes.cri-o.ContainerType":"container","io.kubernetes.cri-o.ImageName":"quay.io/example/app:9","io.kubernetes.pod.name":"app-0","io.kubernetes.pod.namespace":"stage"},"hostname":"box","linux":{"cgroupsPath":"kubepods-pod1f0e.slice:crio:610713dca419d7deb83a1246d0c1ee0ac2e23b81cbb29bba37147e88e1848cda","maskedPaths":["/proc/asound","/proc/acpi","/proc/kcore","/proc/keys","/proc/latency_stats","/proc/timer_list","/proc/timer_stats","/proc/sched_debug","/proc/scsi","/sys/firmware"],"namespaces":[{"type":"pid"},{"type":"mount"}],"readonlyPaths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"],"resources":{},"seccomp":{"architectures":["SCMP_ARCH_X86_64"],"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"action":"SCMP_ACT_ALLOW","names":["read","write","exit_group"]}]}},"mounts":[{"destination":"/proc","source":"proc","type":"proc"}],"ociVersion":"1.2.0","process":{"apparmorProfile":"crio-default","args":["/app"],"capabilities":{"bounding":["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_KILL","CAP_NET_BIND_SERVICE","CAP_SETFCAP","CAP_SETGID","CAP_SETPCAP","CAP_SETUID","CAP_SYS_CHROOT"],"effective":["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_KILL","CAP_NET_BIND_SERVICE","CAP_SETFCAP","CAP_SETGID","CAP_SETPCAP","CAP_SETUID","CAP_SYS_CHROOT"],"permitted":["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_KILL","CAP_NET_BIND_SERVICE","CAP_SETFCAP","CAP_SETGID","CAP_SETPCAP","CAP_SETUID","CAP_SYS_CHROOT"]},"cwd":"/","env":["PATH=/usr/bin"],"oomScoreAdj":1000,"user":{"gid":0,"uid":0}},"root":{"path":"rootfs"}},"sandboxID":"e39e61423ee6eba5859a37f14e4c397bd6826d26d04c4c397df5c6638e13695b"}
other{}