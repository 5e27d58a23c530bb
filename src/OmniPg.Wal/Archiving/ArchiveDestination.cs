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
        Store = options switch
        {
            { Directory: { } path } => new DirectoryWalStore(path),
            { Rsync: { } target } => new RsyncWalStore(target, archive.RsyncProgram, archive.TemporaryDirectory),
            { Pipe: { } program } => new PipeWalStore(program, [.. options.PipeArguments]),
            _ => options.Store!,
        };
    }

    public string Id { get; }

    /// <summary>Names the destination in delivery states: the same place with another codec is another destination.</summary>
    public string StateId { get; }

    public IWalStore Store { get; }

    public Codec Codec { get; }

    public bool IsRequired => _options.IsRequired;

    public int Attempts => _options.Attempts;

    public TimeSpan RetryDelay => _options.RetryDelay;

    public WalLayout Layout => _options.Layout;

    /// <summary>Whether the destination takes part: one that is used only while it exists may be absent.</summary>
    public bool IsActive => !_options.WhenExists || Directory.Exists(_options.Directory);

    public bool IsReadable => Store.Capabilities.HasFlag(WalStoreCapabilities.Readable);

    /// <summary>Whether the marker is kept here: a directory that only collects WAL during a base backup gets none.</summary>
    public bool IsBound => IsReadable && !_options.WhenExists && _archive.Binding != ArchiveBinding.None;

    /// <summary>Whether the marker was seen here once: from then on its absence means that the archive is not there, and not that it is new.</summary>
    public bool IsProven { get; set; }

    public string KeyOf(WalFileName file) => WalObjectKey.For(file, Layout, Codec);

    public CopyTarget TargetFor(WalFileName file, Func<CancellationToken, Task>? beforeCommit = null) => new()
    {
        BeforeCommit = beforeCommit,
        Store = Store,
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
