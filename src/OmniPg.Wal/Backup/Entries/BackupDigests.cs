using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;

namespace OmniPg.Wal;

/// <summary>Digests of the objects of a backup as they lie in the store: the files <c>SHA256SUMS</c> and their kin, which <c>sha256sum -c</c> reads in the backup's folder.</summary>
/// <param name="algorithms">Which ones.</param>
internal sealed class BackupDigests(IReadOnlyList<HashAlgorithmName> algorithms)
{
    private readonly List<(string Name, byte[][] Hashes)> _objects = [];

    private IReadOnlyList<HashAlgorithmName> Algorithms => algorithms;

    /// <summary>The algorithms that the stock programs (<c>md5sum</c>, <c>sha256sum</c> …) know, as OmniPITR did.</summary>
    public static IReadOnlyList<HashAlgorithmName> Known { get; } = [HashAlgorithmName.MD5, HashAlgorithmName.SHA1, HashAlgorithmName.SHA256, HashAlgorithmName.SHA384, HashAlgorithmName.SHA512];

    /// <summary>A store into which objects go through here; encrypted ones as they are then.</summary>
    public IObjectStore Over(IObjectStore store) => algorithms.Count == 0 ? store
        : store is EncryptedObjectStore encrypted ? encrypted.Over(new Store(encrypted.Inner, this))
        : new Store(store, this);

    /// <summary>Writes the files, in plain: they are for programs that have no key.</summary>
    /// <param name="store">The store.</param>
    /// <param name="id">The backup.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>What was written, one for each algorithm.</returns>
    public async IAsyncEnumerable<BackupPart> WriteAsync(IObjectStore store, string id, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var plain = store is EncryptedObjectStore encrypted ? encrypted.Inner : store;
        for (var i = 0; i < algorithms.Count; i++)
        {
            var text = new StringBuilder();
            foreach (var (name, hashes) in _objects)
                text.Append(Convert.ToHexStringLower(hashes[i])).Append(" *").Append(name).Append('\n');
            var (key, content) = ($"{id}/{algorithms[i].Name}SUMS", Encoding.UTF8.GetBytes(text.ToString()));
            await SmallObject.WriteAsync(plain, key, content, cancellationToken).ConfigureAwait(false);
            yield return new BackupPart(key, 0, content.Length, content.Length, Convert.ToHexStringLower(SHA256.HashData(content)));
        }
    }

    private sealed class Store(IObjectStore inner, BackupDigests digests) : IObjectStore
    {
        public string Id => inner.Id;

        public Task<string> IdentifyAsync(CancellationToken cancellationToken = default) => inner.IdentifyAsync(cancellationToken);

        public async ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default) =>
            new Writer(await inner.CreateAsync(key, info, cancellationToken).ConfigureAwait(false), digests, key);

        public Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default) => inner.OpenReadAsync(key, cancellationToken);

        public Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default) => inner.StatAsync(key, cancellationToken);

        public IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => inner.ListAsync(prefix, cancellationToken);

        public Task DeleteAsync(string key, CancellationToken cancellationToken = default) => inner.DeleteAsync(key, cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class Writer(IObjectWriter inner, BackupDigests digests, string key) : IObjectWriter
    {
        private readonly IncrementalHash[] _hashes = [.. digests.Algorithms.Select(IncrementalHash.CreateHash)];

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
        {
            foreach (var hash in _hashes)
                hash.AppendData(bytes.Span);
            return inner.WriteAsync(bytes, cancellationToken);
        }

        public async Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default)
        {
            var result = await inner.CommitAsync(content, cancellationToken).ConfigureAwait(false);
            digests._objects.Add((key[(key.LastIndexOf('/') + 1)..], [.. _hashes.Select(h => h.GetHashAndReset())]));
            return result;
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var hash in _hashes)
                hash.Dispose();
            await inner.DisposeAsync().ConfigureAwait(false);
        }
    }
}
