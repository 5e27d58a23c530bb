using System.Globalization;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace OmniPg.Wal;

/// <summary>
/// Shows the WAL archive of pgBackRest, WAL-G or Barman as one of this package, so that it can be restored from, verified, shown and copied. It is only read. Archives of OmniPITR
/// need no such view, and an archive of this package passes through as it is.
/// </summary>
/// <remarks>
/// Which tool's it is shows at the first look for a file that is not there under this package's keys: pgBackRest's is the stanza's folder below <c>archive</c> (with <c>archive.info</c>, of whose
/// generations the current one is read), WAL-G's the folder above <c>wal_005</c>, Barman's the server's folder above <c>wals</c>. Files keep their codecs; those that the tool encrypted cannot be read.
/// Of a segment of pgBackRest the SHA-1 in its name is compared before it is given out (<see cref="CorruptCompressedDataException"/>). Whose it is pgBackRest's <c>archive.info</c> tells,
/// Barman's <c>identity.json</c>, and the sentinel of WAL-G's newest base backup. Thread safe.
/// </remarks>
public sealed partial class ForeignArchive : IObjectStore
{
    private const string BackRestInfo = "archive.info";
    private const string WalGFolder = "wal_005/";
    private const string WalGBackups = "basebackups_005/";
    private const string WalGSentinel = "_backup_stop_sentinel.json";
    private const string BarmanFolder = "wals/";
    private const string BarmanIdentity = "identity.json";
    private const int ShardDigits = 16;

    // A stored segment of the usual size is read once and kept until it is compared; a larger one is read twice.
    private const int MostInMemory = 32 << 20;
    private readonly IObjectStore _inner;
    private volatile Layout? _known;

    /// <summary>Wraps a store; nothing is touched yet.</summary>
    /// <param name="inner">The folder or bucket that holds the tool's layout. Not disposed.</param>
    public ForeignArchive(IObjectStore inner)
    {
        ArgumentNullException.ThrowIfNull(inner);
        _inner = inner;
    }

    /// <summary>The store inside.</summary>
    internal IObjectStore Inner => _inner;

    /// <summary>That of the store inside.</summary>
    public string Id => _inner.Id;

    /// <inheritdoc/>
    public Task<string> IdentifyAsync(CancellationToken cancellationToken = default) => _inner.IdentifyAsync(cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The archive is another tool's.</exception>
    public async ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default) =>
        await (await OwnAsync(cancellationToken).ConfigureAwait(false)).CreateAsync(key, info, cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    /// <exception cref="CorruptCompressedDataException">Its content is not the one whose SHA-1 its name in pgBackRest's archive tells.</exception>
    public async Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default)
    {
        if (await _inner.OpenReadAsync(key, cancellationToken).ConfigureAwait(false) is { } own)
            return own;
        if (await FindAsync(key, cancellationToken).ConfigureAwait(false) is not { } found)
            return null;
        var stored = await _inner.OpenReadAsync(found, cancellationToken).ConfigureAwait(false);
        return stored is null || Sha1Of(found) is not { } sha1 ? stored : await ComparedAsync(stored, found, sha1, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default)
    {
        if (await _inner.StatAsync(key, cancellationToken).ConfigureAwait(false) is { } own)
            return own;
        return await FindAsync(key, cancellationToken).ConfigureAwait(false) is { } found && await _inner.StatAsync(found, cancellationToken).ConfigureAwait(false) is { } entry
            ? entry with { Key = key }
            : null;
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => ListAsync(prefix, int.MaxValue, cancellationToken);

    /// <inheritdoc/>
    public async IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, int depth, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var layout = await LayoutAsync(cancellationToken).ConfigureAwait(false);
        var entries = layout.Folder is null ? _inner.ListAsync(prefix, depth, cancellationToken) : _inner.ListAsync(layout.Folder, layout.Depth, cancellationToken);
        await foreach (var entry in entries.ConfigureAwait(false))
        {
            if (layout.Folder is null)
                yield return entry;
            else if (layout.KeyOf(entry.Key[(entry.Key.LastIndexOf('/') + 1)..]) is { } key && key.StartsWith(prefix, StringComparison.Ordinal))
                yield return entry with { Key = key };
        }
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The archive is another tool's.</exception>
    public async Task EnsureDurableAsync(string key, CancellationToken cancellationToken = default) =>
        await (await OwnAsync(cancellationToken).ConfigureAwait(false)).EnsureDurableAsync(key, cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The archive is another tool's.</exception>
    public async Task DeleteAsync(string key, CancellationToken cancellationToken = default) =>
        await (await OwnAsync(cancellationToken).ConfigureAwait(false)).DeleteAsync(key, cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The archive is another tool's.</exception>
    public async Task<int> RemoveAbandonedAsync(DateTimeOffset olderThan, int depth = int.MaxValue, CancellationToken cancellationToken = default) =>
        await (await OwnAsync(cancellationToken).ConfigureAwait(false)).RemoveAbandonedAsync(olderThan, depth, cancellationToken).ConfigureAwait(false);

    /// <summary>The cluster whose archive the tool says it is; null when it does not say.</summary>
    /// <exception cref="WalArchiveMismatchException">What it says cannot be read.</exception>
    internal async ValueTask<ulong?> OwnerAsync(CancellationToken cancellationToken)
    {
        var layout = await LayoutAsync(cancellationToken).ConfigureAwait(false);
        return layout.Folder switch
        {
            BarmanFolder => await MemberAsync(BarmanIdentity, "systemid", cancellationToken).ConfigureAwait(false),
            // Its newest base backup; an archive without one says nothing.
            WalGFolder when await NewestBackupAsync(cancellationToken).ConfigureAwait(false) is { } sentinel => await MemberAsync(sentinel, "SystemIdentifier", cancellationToken).ConfigureAwait(false),
            _ => layout.Owner,
        };
    }

    /// <summary>Does nothing: the store inside belongs to whoever made it.</summary>
    /// <returns>A completed task.</returns>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async ValueTask<IObjectStore> OwnAsync(CancellationToken cancellationToken) => (await LayoutAsync(cancellationToken).ConfigureAwait(false)).Folder is null
        ? _inner
        : throw new NotSupportedException($"'{Id}' is another tool's archive, which is only read.");

    /// <returns>The tool's key of a file that is asked for by a key of the flat layout; null when it has none.</returns>
    private async Task<string?> FindAsync(string key, CancellationToken cancellationToken)
    {
        if (key.Contains('/', StringComparison.Ordinal) || !WalObjectKey.TryParse(key, out var name, out var codec) || key.EndsWith(EncryptedFormat.Extension, StringComparison.Ordinal))
            return null;
        var layout = await LayoutAsync(cancellationToken).ConfigureAwait(false);
        if (layout.Folder is null)
            return null;
        var folder = layout.IsSharded && name.Kind != WalFileKind.TimelineHistory ? $"{layout.Folder}{name.ToString().AsSpan(0, ShardDigits)}/" : layout.Folder;
        if (!layout.HasDigests)
            return layout.IsPlain ? codec == Codec.None ? folder + key : null : folder + key;
        await foreach (var entry in EntriesAsync(folder, name.ToString(), layout.Depth, cancellationToken).ConfigureAwait(false))
        {
            if (layout.KeyOf(entry.Key) == key)
                return folder + entry.Key;
        }

        return null;
    }

    /// <summary>What lies in a folder, without it in the keys.</summary>
    // A folder is listed alone: from the root of a big archive all of it would be read for one name.
    private IAsyncEnumerable<ObjectEntry> EntriesAsync(string folder, string prefix, int depth, CancellationToken cancellationToken)
    {
        if (_inner is not DirectoryObjectStore { Root: var root })
            return _inner.ListAsync(folder + prefix, depth, cancellationToken).Select(e => e with { Key = e.Key[folder.Length..] }).Where(e => !e.Key.Contains('/', StringComparison.Ordinal));
        var path = Path.Combine(root, folder);
        return Directory.Exists(path) ? new DirectoryObjectStore(path).ListAsync(prefix, 0, cancellationToken) : AsyncEnumerable.Empty<ObjectEntry>();
    }

    /// <summary>The same bytes, once their content has proved to be what their name tells.</summary>
    private async Task<Stream?> ComparedAsync(Stream stored, string key, string sha1, CancellationToken cancellationToken)
    {
        var buffer = new MemoryStream();
        await using (stored.ConfigureAwait(false))
        {
            var bytes = new byte[128 << 10];
            for (int count; buffer.Length <= MostInMemory && (count = await stored.ReadAsync(bytes, cancellationToken).ConfigureAwait(false)) > 0;)
                buffer.Write(bytes, 0, count);
        }

        if (buffer.Length <= MostInMemory)
        {
            await RequireAsync(new MemoryStream(buffer.GetBuffer(), 0, (int)buffer.Length, writable: false), key, sha1, cancellationToken).ConfigureAwait(false);
            buffer.Position = 0;
            return buffer;
        }

        if (await _inner.OpenReadAsync(key, cancellationToken).ConfigureAwait(false) is { } again)
            await RequireAsync(again, key, sha1, cancellationToken).ConfigureAwait(false);
        return await _inner.OpenReadAsync(key, cancellationToken).ConfigureAwait(false);
    }

    private async Task RequireAsync(Stream stored, string key, string sha1, CancellationToken cancellationToken)
    {
        var content = await WalContent.DecodeAsync(stored, Id, key, cancellationToken).ConfigureAwait(false);
        await using var closing = content.ConfigureAwait(false);
#pragma warning disable CA5350 // The digest that the other tool wrote: it finds damage and keeps nobody out.
        var found = Convert.ToHexStringLower(await SHA1.HashDataAsync(content, cancellationToken).ConfigureAwait(false));
#pragma warning restore CA5350
        if (found != sha1)
            throw new CorruptCompressedDataException("pgbackrest", $"'{key}' has the SHA-1 '{found}'");
    }

    private async Task<string?> NewestBackupAsync(CancellationToken cancellationToken)
    {
        ObjectEntry? newest = null;
        await foreach (var entry in EntriesAsync(WalGBackups, "", 1, cancellationToken).ConfigureAwait(false))
        {
            if (entry.Key.EndsWith(WalGSentinel, StringComparison.Ordinal) && !(entry.Modified < newest?.Modified))
                newest = entry;
        }

        return newest is null ? null : WalGBackups + newest.Key;
    }

    /// <returns>Null when there is no such file, or no such member in it.</returns>
    private async Task<ulong?> MemberAsync(string key, string member, CancellationToken cancellationToken)
    {
        var file = await _inner.OpenReadAsync(key, cancellationToken).ConfigureAwait(false);
        if (file is null)
            return null;
        await using var closing = file.ConfigureAwait(false);
        try
        {
            using var document = await JsonDocument.ParseAsync(file, cancellationToken: cancellationToken).ConfigureAwait(false);
            // Barman writes a text, WAL-G a number.
            return document.RootElement.TryGetProperty(member, out var value) && value.ValueKind != JsonValueKind.Null ? ulong.Parse(value.ToString(), NumberStyles.None, CultureInfo.InvariantCulture) : null;
        }
        catch (Exception damage) when (damage is JsonException or FormatException or OverflowException or InvalidOperationException)
        {
            throw WalArchiveMismatchException.UnreadableMarker(Id, key, damage.Message.TrimEnd('.'));
        }
    }

    private static string? Sha1Of(string key) => BackRestSegment().Match(key[(key.LastIndexOf('/') + 1)..]) is { Success: true } match ? match.Groups["sha1"].Value : null;

    private async ValueTask<Layout> LayoutAsync(CancellationToken cancellationToken)
    {
        if (_known is { } known)
            return known;
        var found = await DetectAsync(cancellationToken).ConfigureAwait(false);
        // An empty place may be filled, or mounted, later.
        if (found is not null)
            _known = found;
        return found ?? Layout.Own;
    }

    private async Task<Layout?> DetectAsync(CancellationToken cancellationToken)
    {
        if (await _inner.StatAsync(WalArchiveMarker.Key, cancellationToken).ConfigureAwait(false) is not null)
            return Layout.Own;
        var info = await _inner.OpenReadAsync(BackRestInfo, cancellationToken).ConfigureAwait(false);
        if (info is not null)
        {
            await using (info.ConfigureAwait(false))
            {
                using var reader = new StreamReader(info);
                var text = await reader.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
                return BackRestGeneration().Match(text) is { Success: true } current
                    ? new Layout($"{current.Groups["version"].Value}-{current.Groups["id"].Value}/")
                    {
                        IsSharded = true,
                        HasDigests = true,
                        Owner = ulong.TryParse(BackRestOwner().Match(text).Groups["owner"].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var owner) ? owner : null,
                    }
                    : throw new CorruptCompressedDataException("pgbackrest", $"'{BackRestInfo}' in '{Id}' tells no current generation");
            }
        }

        if (await HoldsAsync(WalGFolder, cancellationToken).ConfigureAwait(false))
            return new Layout(WalGFolder);
        return await HoldsAsync(BarmanFolder, cancellationToken).ConfigureAwait(false) ? new Layout(BarmanFolder) { IsSharded = true, IsPlain = true } : null;
    }

    private async Task<bool> HoldsAsync(string folder, CancellationToken cancellationToken)
    {
        await foreach (var _ in _inner.ListAsync(folder, 2, cancellationToken).ConfigureAwait(false))
            return true;
        return false;
    }

    // storageRepoPathExpression and walSegmentFind of pgBackRest: SEGMENT-SHA1 with the extension of its codec.
    [GeneratedRegex(@"^(?<name>[0-9A-F]{24}(\.partial)?)-(?<sha1>[0-9a-f]{40})(?<extension>\.[a-z0-9]+)?$")]
    private static partial Regex BackRestSegment();

    [GeneratedRegex(@"^\[db\]\r?\n(?:(?!\[)[^\n]*\n)*?db-id=(?<id>\d+)\r?\n(?:(?!\[)[^\n]*\n)*?db-version=""(?<version>[\d.]+)""", RegexOptions.Multiline)]
    private static partial Regex BackRestGeneration();

    [GeneratedRegex(@"^\[db\]\r?\n(?:(?!\[)[^\n]*\n)*?db-system-id=(?<owner>\d+)\r?$", RegexOptions.Multiline)]
    private static partial Regex BackRestOwner();

    /// <param name="Folder">Where the tool keeps its files; null in an archive of this package.</param>
    private sealed record Layout(string? Folder)
    {
        public static Layout Own { get; } = new((string?)null);

        /// <summary>Whether segments lie in folders of their first 16 digits.</summary>
        public bool IsSharded { get; init; }

        /// <summary>Whether names have no extension, whatever the codec.</summary>
        public bool IsPlain { get; init; }

        /// <summary>Whether names of segments end with their SHA-1.</summary>
        public bool HasDigests { get; init; }

        /// <summary>System identifier of the cluster; null when nothing tells it.</summary>
        public ulong? Owner { get; init; }

        // The folder itself, and that of the digits.
        public int Depth => IsSharded ? 2 : 1;

        /// <returns>The key of the flat layout under which a file is shown; null when it is none.</returns>
        public string? KeyOf(string file)
        {
            if (HasDigests && BackRestSegment().Match(file) is { Success: true } match)
                file = match.Groups["name"].Value + match.Groups["extension"].Value;
            return WalObjectKey.TryParse(file, out _, out _) && !file.EndsWith(EncryptedFormat.Extension, StringComparison.Ordinal) ? file : null;
        }
    }
}
