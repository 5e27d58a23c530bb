namespace OmniPg.Wal.Cli;

/// <summary>The options of restore, with the original's names, and their translation.</summary>
internal static class RestoreOptions
{
    public static readonly Option OnError = Option.Value("--on-error", "WORD", "exit code in trouble: auto (default), abort = 255, missing = 10");
    public static readonly Option Spool = Option.Value("--spool", "DIR", "fetch ahead into DIR while the server replays");

    private static readonly Option Source = Option.Many("--source", "[CODEC=]PLACE", "archive to ask (directory, s3://…, azure://…); the first valid copy wins", "-s");
    private static readonly Option Timeout = Option.Value("--timeout", "SEC", "how long trouble is retried (default 60)");
    private static readonly Option Validate = Option.Value("--validate", "LEVEL", "none, header or full (default)");
    private static readonly Option Force = Option.Flag("--force-data-dir", "accept a data directory without PG_VERSION");
    private static readonly Option Streaming = Option.Flag("--streaming-replication", "never wait for a missing segment (default)", "-sr");
    private static readonly Option Wait = Option.Value("--wait", "SEC", "wait so long for a missing segment; 0 waits for ever");
    private static readonly Option Delay = Option.Value("--recovery-delay", "SEC", "serve a segment only when it is so old", "-w");
    private static readonly Option DelayFrom = Option.Value("--delay-basis", "WORD", "age by archive time (default) or last commit: archive, commit");
    private static readonly Option Finish = Option.Value("--finish-trigger", "FILE", "while FILE exists recovery finishes; content NOW: at once", "-f");
    private static readonly Option UsePartial = Option.Flag("--use-partial", "serve NAME.partial, padded with zeros, for a missing segment");
    private static readonly Option Remove = new(
        "--remove-unneeded", OptionKind.OptionalValue, "%r", "remove what lies before %r, or before the last restart point of pg_control", "-r");
    private static readonly Option RemoveAtATime = Option.Value("--remove-at-a-time", "N", "remove at most N files at a time (default 3)", "-rt");
    private static readonly Option RemoveBefore = Option.Flag("--remove-before", "remove also before serving, not only while waiting", "-rb");
    private static readonly Option PauseTrigger = Option.Value("--removal-pause-trigger", "FILE", "while FILE exists nothing is removed", "-p");
    private static readonly Option Hook = Option.Value("--pre-removal-processing", "CMD", "run CMD PATH for every file before it is removed", "-h");
    private static readonly Option TempDirectory = Option.Value("--temp-dir", "DIR", "where --pre-removal-processing gets its files (default: TMPDIR)", "-t");
    private static readonly Option ControlErrors = Option.Value(
        "--error-pgcontroldata", "WORD", "when pg_control is unreadable: ignore (default), break or hang", "-ep");
    private static readonly Option ProcessMax = Option.Value("--process-max", "N", "fetch N segments at the same time (default 1)");
    private static readonly Option QueueMax = Option.Value("--queue-max", "SIZE", "keep so much WAL ready in the spool (default 128MB)");

    private static readonly Option[] Own =
    [
        CommonOptions.DataDirectory, Source, OnError, Timeout, Validate, CommonOptions.UnknownVersion, Force, Streaming, Wait, Delay, DelayFrom, Finish, UsePartial,
        Spool, ProcessMax, QueueMax, Remove, RemoveAtATime, RemoveBefore, PauseTrigger, Hook, ControlErrors,
        TempDirectory, Option.Refused("--pgcontroldata-path", "pg_control is read directly", "-pp"),
    ];

    public static IReadOnlyList<Option> All { get; } = [.. Own, .. StoreOptions.All, .. CommonOptions.Codecs];

    public static WalRestoreOptions Read(Arguments arguments)
    {
        CommonOptions.ApplyCodecs(arguments, isNice: false);
        arguments.Choice(OnError, 0, ("auto", 0), ("abort", 1), ("missing", 2));
        var options = new WalRestoreOptions
        {
            DataDirectory = arguments.Get(CommonOptions.DataDirectory) ?? ".",
            RequireDataDirectory = !arguments.Has(Force),
            Validation = CommonOptions.Validation(arguments, Validate),
            AllowUnknownVersion = CommonOptions.AllowsUnknownVersion(arguments),
            Missing = Missing(arguments),
            RecoveryDelay = arguments.Seconds(Delay) ?? TimeSpan.Zero,
            DelayBasis = arguments.Choice(DelayFrom, DelayBasis.ArchiveTime, ("archive", DelayBasis.ArchiveTime), ("commit", DelayBasis.LastCommit)),
            FinishTrigger = arguments.Get(Finish),
            UsePartial = arguments.Has(UsePartial),
            Removal = Removal(arguments),
            RemoveBefore = arguments.Has(RemoveBefore),
            Cleanup = Cleanup(arguments),
            ControlFileErrors = arguments.Choice(
                ControlErrors,
                ControlFileErrorPolicy.SkipRemoval,
                ("ignore", ControlFileErrorPolicy.SkipRemoval),
                ("break", ControlFileErrorPolicy.Fail),
                ("hang", ControlFileErrorPolicy.Hang)),
            Prefetch = Prefetch(arguments),
        };
        options.RetryTimeout = arguments.Seconds(Timeout) ?? options.RetryTimeout;
        options.Sources = [.. arguments.All(Source).Select(text => SourceAt(text, arguments))];
        if (options.Sources.Count == 0)
            throw new UsageException($"A restore needs at least one source; name the archive with {Source.Name}.");
        return options;
    }

    private static WalRestoreSource SourceAt(string text, Arguments arguments)
    {
        try
        {
            var location = WalLocation.Parse(text);
            return new WalRestoreSource(StoreOptions.OpenToRead(location.Path, arguments), location.Codec);
        }
        catch (FormatException e)
        {
            throw new UsageException($"The option {Source.Name} is wrong: {e.Message}");
        }
    }

    private static MissingPolicy Missing(Arguments arguments)
    {
        if (arguments.Has(Streaming) || arguments.Seconds(Wait) is not { } wait)
            return MissingPolicy.Fail;
        return MissingPolicy.Wait(wait == TimeSpan.Zero ? null : wait);
    }

    private static WalRemoval Removal(Arguments arguments)
    {
        if (!arguments.Has(Remove))
            return WalRemoval.Off;
        if (arguments.Get(Remove) is not { } text)
            return WalRemoval.ByControlFile;
        return WalFileName.TryParse(text, out var limit) && limit.Kind == WalFileKind.Segment
            ? WalRemoval.ByRestartPoint(limit)
            : throw new UsageException($"The option {Remove.Name} wants the name of a segment (%r), not '{text}'.");
    }

    private static CleanupOptions Cleanup(Arguments arguments) => new()
    {
        MaxFiles = arguments.Integer(RemoveAtATime, 1) ?? 3,
        PauseTrigger = arguments.Get(PauseTrigger),
        // The original's option is a shell line; the name behind it consists of hex digits and cannot add to it.
        Hook = arguments.Get(Hook) is { } command
            ? new CommandRemovalHook("bash", "-c", command + " {path}") { TemporaryDirectory = arguments.Get(TempDirectory) }
            : null,
    };

    private static WalPrefetchOptions? Prefetch(Arguments arguments)
    {
        if (arguments.Get(Spool) is not { } spool)
            return null;
        var options = new WalPrefetchOptions { Spool = spool };
        options.MaxParallelism = arguments.Integer(ProcessMax, 1) ?? options.MaxParallelism;
        options.QueueMaxBytes = arguments.Bytes(QueueMax) ?? options.QueueMaxBytes;
        return options;
    }
}
