using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace OmniPg.Wal;

/// <summary>The base backups of a store: listed, looked up, marked to be kept.</summary>
/// <remarks>Thread-safe; keeps nothing between calls. A backup whose last object was never written is not listed.</remarks>
public sealed class BackupCatalog
{
    // ID/NAME: what lies deeper is somebody else's.
    internal const int Depth = 1;

    private const string KeepFile = "keep";
    private readonly IObjectStore _store;
    private readonly ILogger _log;

    /// <summary>Makes a catalogue over a store.</summary>
    /// <param name="store">A store that can be listed and read. Not disposed.</param>
    /// <param name="loggerFactory">Where to log; nowhere when null.</param>
    public BackupCatalog(IObjectStore store, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        _store = store;
        _log = loggerFactory?.CreateLogger<BackupCatalog>() ?? NullLogger<BackupCatalog>.Instance;
    }

    /// <summary>Lists the backups, oldest first; <see cref="BackupInfo.Problem"/> says of each whether its parts are there.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The backups.</returns>
    /// <exception cref="WalArchiveAbsentException">The store is not begun, or not mounted.</exception>
    /// <exception cref="WalBackupException">An entry cannot be read.</exception>
    /// <exception cref="IOException">The store cannot be read.</exception>
    public async Task<IReadOnlyList<BackupInfo>> ListAsync(CancellationToken cancellationToken = default)
    {
        var presence = await ArchivePresence.BeginAsync(_store, cancellationToken).ConfigureAwait(false);
        var objects = new Dictionary<string, long>(StringComparer.Ordinal);
        await foreach (var entry in _store.ListAsync("", Depth, cancellationToken).ConfigureAwait(false))
            objects[entry.Key] = entry.Bytes;
        var backups = new List<BackupInfo>();
        foreach (var key in objects.Keys.Where(k => k.EndsWith("/" + BackupInfo.FileName, StringComparison.Ordinal)))
        {
            if (await ReadAsync(key[..^(BackupInfo.FileName.Length + 1)], cancellationToken).ConfigureAwait(false) is { } info)
                backups.Add(info with { IsKept = objects.ContainsKey($"{info.Id}/{KeepFile}"), Problem = ProblemOf(info, objects) });
        }

        await presence.RequireAsync(null, cancellationToken).ConfigureAwait(false);
        backups.Sort(static (a, b) => string.CompareOrdinal(a.Id, b.Id));
        return backups;
    }

    /// <summary>Looks one backup up.</summary>
    /// <param name="id">Its id; null takes the newest one that has all its parts.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The backup.</returns>
    /// <exception cref="WalBackupException">There is none of that id, or none at all (<c>wal.backup.unknown</c>).</exception>
    /// <exception cref="WalArchiveAbsentException">The store is not begun, or not mounted.</exception>
    /// <exception cref="IOException">The store cannot be read.</exception>
    public async Task<BackupInfo> GetAsync(string? id = null, CancellationToken cancellationToken = default)
    {
        var backups = await ListAsync(cancellationToken).ConfigureAwait(false);
        return (id is null ? backups.LastOrDefault(b => b.Problem is null) : backups.FirstOrDefault(b => b.Id == id))
            ?? throw WalBackupException.Unknown(_store.Id, id ?? "latest");
    }

    /// <summary>Marks a backup to be kept whatever retention says.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>A task that ends when the mark is durable.</returns>
    /// <exception cref="WalBackupException">There is no such backup.</exception>
    public async Task KeepAsync(string id, CancellationToken cancellationToken = default)
    {
        var backup = await GetAsync(id, cancellationToken).ConfigureAwait(false);
        if (!backup.IsKept)
            await WriteAsync(_store, $"{id}/{KeepFile}", ReadOnlyMemory<byte>.Empty, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Takes the mark of <see cref="KeepAsync"/> away.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>A task that ends when the mark is gone.</returns>
    /// <exception cref="WalBackupException">There is no such backup.</exception>
    public async Task UnkeepAsync(string id, CancellationToken cancellationToken = default)
    {
        await GetAsync(id, cancellationToken).ConfigureAwait(false);
        await _store.DeleteAsync($"{id}/{KeepFile}", cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes a small object that is not there yet.</summary>
    internal static async Task<ObjectCommitResult> WriteAsync(IObjectStore store, string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        try
        {
            var writer = await store.CreateAsync(key, new ObjectInfo { RawBytes = content.Length }, cancellationToken).ConfigureAwait(false);
            await using (writer.ConfigureAwait(false))
            {
                await writer.WriteAsync(content, cancellationToken).ConfigureAwait(false);
                return await writer.CommitAsync(new ObjectContent(Sha256Text.Of(content.Span), content.Length, content.Length), cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw WalDestinationException.Failed(store.Id, key, refused);
        }
    }

    /// <returns>Null when it was removed since it was listed.</returns>
    private async Task<BackupInfo?> ReadAsync(string id, CancellationToken cancellationToken)
    {
        var stream = await _store.OpenReadAsync($"{id}/{BackupInfo.FileName}", cancellationToken).ConfigureAwait(false);
        if (stream is null)
            return null;
        await using (stream.ConfigureAwait(false))
        {
            using var json = new MemoryStream();
            await stream.CopyToAsync(json, cancellationToken).ConfigureAwait(false);
            return BackupInfo.Parse(json.GetBuffer().AsSpan(0, (int)json.Length), _store.Id, id);
        }
    }

    private static string? ProblemOf(BackupInfo info, Dictionary<string, long> objects)
    {
        foreach (var part in info.Parts)
        {
            if (!objects.TryGetValue(part.Key, out var bytes))
                return $"'{part.Key}' is missing";
            if (bytes != part.StoredBytes)
                return $"'{part.Key}' has {bytes} bytes instead of {part.StoredBytes}";
        }

        return null;
    }
}
