using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace OmniPg.Wal;

/// <summary>One destination, ready to take files.</summary>
internal sealed class ArchiveDestination
{
    private readonly WalDestinationOptions _options;
    private readonly WalArchiveOptions _archive;

    public ArchiveDestination(WalDestinationOptions options, WalArchiveOptions archive)
    {
        _options = options;
        _archive = archive;
        Codec = Codec.Parse(options.Codec);
        var location = new WalLocation(Codec, options.Level, options.Place).ToString();
        Id = options.Name ?? location;
        StateId = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{Kind(options)}|{location}|{options.Layout}")).AsSpan(0, 8));
        Sink = options switch
        {
            { Directory: { } path } => new DirectoryObjectStore(path),
            { Rsync: { } target } => new RsyncObjectSink(target, archive.RsyncProgram, archive.TemporaryDirectory),
            { Pipe: { } program } => new PipeObjectSink(program, options.PipeArguments),
            _ => options.Sink!,
        };
    }

    public string Id { get; }

    /// <summary>Names the destination in delivery states: the same place with another codec is another destination.</summary>
    public string StateId { get; }

    public IObjectSink Sink { get; }

    /// <summary>The sink where it can be asked what it holds; null for programs.</summary>
    public IObjectStore? Store => Sink as IObjectStore;

    public Codec Codec { get; }

    public bool IsRequired => _options.IsRequired;

    public int Attempts => _options.Attempts;

    public TimeSpan RetryDelay => _options.RetryDelay;

    public WalLayout Layout => _options.Layout;

    /// <summary>Whether the destination takes part: one that is used only while it exists may be absent.</summary>
    public bool IsActive => !_options.WhenExists || Directory.Exists(_options.Directory);

    /// <summary>Whether the marker is kept here: a directory that only collects WAL during a base backup gets none.</summary>
    [MemberNotNullWhen(true, nameof(Store))]
    public bool IsBound => Store is not null && !_options.WhenExists && _archive.Binding != ArchiveBinding.None;

    /// <summary>Whether the marker was seen here once: from then on its absence means that the archive is not there, and not that it is new.</summary>
    public bool IsProven { get; set; }

    public string KeyOf(WalFileName file) => WalObjectKey.For(file, Layout, Codec);

    public CopyTarget TargetFor(WalFileName file, Func<CancellationToken, Task>? beforeCommit = null) => new()
    {
        BeforeCommit = beforeCommit,
        Sink = Sink,
        Key = KeyOf(file),
        Codec = WalObjectKey.CodecFor(file, Layout, Codec),
        Level = WalObjectKey.CodecFor(file, Layout, Codec) == Codec ? _options.Level : null,
        Id = Id,
        Timeout = _options.Timeout ?? _archive.Timeout,
        Grace = IsRequired ? null : _archive.OptionalGrace,
    };

    private static string Kind(WalDestinationOptions options) =>
        options.Directory is not null ? "directory" : options.Rsync is not null ? "rsync" : options.Pipe is not null ? "pipe" : "store";
}
