"""stub."""


def start_table(settings, workers, *, daemon):
    from refworker.supervisor.slot import listening

    return "\n".join([*(f"{w.name} {listening(w)}" for w in workers), "Start success."])


def status_table(title, report):
    return str(report)


def connections_table(report):
    return str(report)
