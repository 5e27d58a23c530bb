namespace OmniPg.Wal.Cli;

/// <summary>The options of archive and resident, with the original's names, and their translation.</summary>
internal static class ArchiveOptions
{
    public static readonly Option Socket = Option.Value("--socket", "PATH", "ask the resident process at PATH first; work alone when there is none");
    public static readonly Option Layout = Option.Value("--layout", "WORD", "flat (default) or sharded");

    public static readonly Option State = Option.Value("--state-dir", "DIR", "remember what is delivered; needed with several destinations", "-s");
    private static readonly Option Local = Option.Many("--dst-local", "[CODEC[:LEVEL]=]DIR", "store into a directory", "-dl");
    private static readonly Option S3 = Option.Many("--dst-s3", "[CODEC[:LEVEL]=]s3://BUCKET/PREFIX", "store into a bucket");
    private static readonly Option Azure = Option.Many("--dst-azure", "[CODEC[:LEVEL]=]azure://CONTAINER/PREFIX", "store into a container of Azure (" + StoreOptions.AzureConnection + ")");
    private static readonly Option Remote = Option.Many("--dst-remote", "[CODEC[:LEVEL]=]TARGET", "send with rsync", "-dr");
    private static readonly Option Pipe = Option.Many("--dst-pipe", "[CODEC[:LEVEL]=]PROGRAM", "feed PROGRAM; its argument is the file name", "-dp");
    private static readonly Option Backup = Option.Many("--dst-backup", "DIR", "store plain into DIR while it exists; failures are ignored", "-db");
    private static readonly Option Optional = Option.Many("--optional", "LOCATION", "this destination's failures are only warnings");
    public static readonly Option Validate = Option.Value("--validate", "LEVEL", "none, header or full (default)");
    private static readonly Option Timeout = Option.Value("--timeout", "SEC", "time for one file at one destination (default 300)");
    private static readonly Option Adopt = Option.Flag("--adopt", "make an archive of another tool or version this cluster's own");
    private static readonly Option Begin = Option.Flag("--begin", "begin a new archive where none is, once (see init); not for archive_command");
    private static readonly Option Force = Option.Flag("--force-data-dir", "accept a data directory without PG_VERSION", "-f");

    private static readonly Option ParallelJobs = Option.Value("--parallel-jobs", "N", "write to N destinations at a time (default: all, with one read)", "-PJ");
    private static readonly Option RsyncPath = Option.Value("--rsync-path", "PROGRAM", "program for --dst-remote (default: rsync in PATH)", "-rp");
    private static readonly Option QueueLimit = Option.Value("--queue-limit", "SIZE", "give WAL up, for ever, while more than SIZE of it waits (default: never); needs --state-dir");
    private static readonly Option TempDirectory = Option.Value("--temp-dir", "DIR", "where --dst-remote gathers a file (default: TMPDIR)", "-t");

    private static readonly Option[] Own =
    [
        CommonOptions.DataDirectory, State, Local, S3, Azure, Remote, Pipe, Backup, Optional, Validate, CommonOptions.UnknownVersion, Layout, Timeout, Adopt, Begin, Force, Socket,
        ParallelJobs, RsyncPath, TempDirectory, QueueLimit, CommonOptions.MaxRate, StoreOptions.Encrypt,
    ];

    /// <summary>The destinations of what is no archive_command.</summary>
    public static IReadOnlyList<Option> ForReceiver { get; } = [State, Local, S3, Azure, Pipe, Optional, Validate, Layout, StoreOptions.Encrypt, .. StoreOptions.All];

    public static IReadOnlyList<Option> All { get; } = [.. Own, .. StoreOptions.All, .. CommonOptions.Codecs, .. CommonOptions.NiceCodecs];

    public static WalArchiveOptions Read(Arguments arguments)
    {
        var options = new WalArchiveOptions
        {
            DataDirectory = arguments.Get(CommonOptions.DataDirectory) ?? ".",
            RequireDataDirectory = !arguments.Has(Force),
            StateDirectory = arguments.Get(State),
            Validation = CommonOptions.Validation(arguments, Validate),
            AllowUnknownVersion = CommonOptions.AllowsUnknownVersion(arguments),
            Binding = Binding(arguments),
        };
        CommonOptions.ApplyCodecs(arguments, isNice: true);
        options.MaxRate = arguments.Bytes(CommonOptions.MaxRate);
        options.QueueLimit = arguments.Bytes(QueueLimit);
        options.MaxParallelism = arguments.Integer(ParallelJobs, 1);
        options.TemporaryDirectory = arguments.Get(TempDirectory);
        options.RsyncProgram = arguments.Get(RsyncPath) ?? options.RsyncProgram;
        options.Timeout = arguments.Seconds(Timeout) ?? options.Timeout;
        options.Destinations = ReadDestinations(arguments);
        return options;
    }

    public static IReadOnlyList<WalDestinationOptions> ReadDestinations(Arguments arguments)
    {
        var layout = LayoutOf(arguments);
        var optional = arguments.All(Optional);
        var isEncrypted = arguments.Has(StoreOptions.Encrypt);
        if (isEncrypted && (arguments.Has(Remote) || arguments.Has(Pipe) || arguments.Has(Backup)))
            throw new UsageException($"The option {StoreOptions.Encrypt.Name} works with {Local.Name}, {S3.Name} and {Azure.Name} alone: give the others to a call of their own.");
        WalDestinationOptions[] destinations =
        [
            .. arguments.All(Local).Select(text => isEncrypted
                ? InStore(text, Location(text, Local), optional, layout, arguments)
                : Destination(text, Local, optional, (d, path) => (d.Layout, d.Directory) = (layout, path))),
            .. arguments.All(S3).Select(text => Remotely(text, S3, "s3://", optional, layout, arguments)),
            .. arguments.All(Azure).Select(text => Remotely(text, Azure, "azure://", optional, layout, arguments)),
            .. arguments.All(Remote).Select(text => Destination(text, Remote, optional, static (d, path) => d.Rsync = path)),
            .. arguments.All(Pipe).Select(text => Destination(text, Pipe, optional, static (d, path) => d.Pipe = path)),
            .. arguments.All(Backup).Select(BackupDestination),
        ];
        foreach (var unknown in optional.Where(o => destinations.All(d => d.Name != o)))
            throw new UsageException($"The option {Optional.Name} names '{unknown}', which is no destination; repeat its location as given.");
        return destinations;
    }

    public static WalLayout LayoutOf(Arguments arguments) =>
        arguments.Choice(Layout, WalLayout.Flat, ("flat", WalLayout.Flat), ("sharded", WalLayout.Sharded));

    private static ArchiveBinding Binding(Arguments arguments) => (arguments.Has(Adopt), arguments.Has(Begin)) switch
    {
        (true, true) => throw new UsageException($"The options {Adopt.Name} and {Begin.Name} exclude each other: one takes what is there, the other begins anew."),
        (true, false) => ArchiveBinding.Adopt,
        (false, true) => ArchiveBinding.Begin,
        _ => ArchiveBinding.Cluster,
    };

    private static WalDestinationOptions Destination(
        string text, Option option, IReadOnlyList<string> optional, Action<WalDestinationOptions, string> place)
    {
        var location = Location(text, option);
        var destination = Named(new WalDestinationOptions(), text, location, optional);
        place(destination, location.Path);
        return destination;
    }

    private static WalDestinationOptions Remotely(string text, Option option, string scheme, IReadOnlyList<string> optional, WalLayout layout, Arguments arguments)
    {
        var location = Location(text, option);
        if (!location.Path.StartsWith(scheme, StringComparison.Ordinal))
            throw new UsageException($"The option {option.Name} wants '{scheme}…', not '{location.Path}'.");
        return InStore(text, location, optional, layout, arguments);
    }

    private static WalDestinationOptions InStore(string text, WalLocation location, IReadOnlyList<string> optional, WalLayout layout, Arguments arguments)
    {
        var destination = Named(new WalDestinationOptions(StoreOptions.Open(location.Path, arguments)), text, location, optional);
        destination.Layout = layout;
        return destination;
    }

    private static WalDestinationOptions Named(WalDestinationOptions destination, string text, WalLocation location, IReadOnlyList<string> optional)
    {
        (destination.Name, destination.Codec, destination.Level, destination.IsRequired) = (text, location.Codec.Name, location.Level, !optional.Contains(text));
        return destination;
    }

    private static WalLocation Location(string text, Option option)
    {
        try
        {
            return WalLocation.Parse(text);
        }
        catch (FormatException e)
        {
            throw new UsageException($"The option {option.Name} is wrong: {e.Message}");
        }
    }

    private static WalDestinationOptions BackupDestination(string path) => Path.IsPathRooted(path)
        ? new WalDestinationOptions { Name = path, Directory = path, IsRequired = false, WhenExists = true }
        : throw new UsageException($"The option {Backup.Name} wants an absolute path without compression, not '{path}'.");
}
