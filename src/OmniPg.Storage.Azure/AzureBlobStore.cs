using System.Globalization;
using System.Runtime.CompilerServices;
using Azure;
using Azure.Core;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using OmniPg.Shared;

namespace OmniPg.Storage.Azure;

/// <summary>Keeps objects as block blobs of a container: created once, checked, never replaced.</summary>
/// <remarks>
/// A blob becomes visible whole, by one conditional request (<c>If-None-Match: *</c>). Blocks of writers that were killed are no blob; the service
/// forgets them after a week. Thread safe; several processes may write to one container.
/// </remarks>
public sealed class AzureBlobStore : IObjectStore
{
    private readonly BlobContainerClient _container;

    /// <summary>Makes a store over a container; nothing is asked yet.</summary>
    /// <param name="options">Container and way to it; copied.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work: all reasons at once.</exception>
    /// <exception cref="FormatException">The connection string is none.</exception>
    public AzureBlobStore(AzureBlobStoreOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        OptionsCheck.Require(options);
        Prefix = options.Prefix.Length == 0 || options.Prefix.EndsWith('/') ? options.Prefix : options.Prefix + "/";
        SinglePutBytes = options.SinglePutBytes;
        BlockBytes = options.BlockBytes;
        var client = new BlobClientOptions();
        client.Retry.MaxRetries = options.MaxRetries;
        client.Retry.NetworkTimeout = options.RequestTimeout;
        client.Retry.Mode = RetryMode.Exponential;
        _container = new BlobContainerClient(options.ConnectionString, options.Container, client);
        Id = $"azure:{_container.AccountName}/{options.Container}/{Prefix}";
    }

    /// <summary>Name of the container.</summary>
    public string Container => _container.Name;

    /// <summary>What all keys begin with; empty, or with a <c>/</c> at its end.</summary>
    public string Prefix { get; }

    /// <inheritdoc/>
    public string Id { get; }

    internal int SinglePutBytes { get; }

    internal int BlockBytes { get; }

    /// <inheritdoc/>
    /// <exception cref="AzureBlobException">The container does not exist, refuses, or does not answer.</exception>
    public async Task<string> IdentifyAsync(CancellationToken cancellationToken = default)
    {
        await CallAsync("", "identify", async t =>
        {
            await foreach (var _ in _container.GetBlobsAsync(new GetBlobsOptions { Prefix = Prefix }, t).AsPages(pageSizeHint: 1).ConfigureAwait(false))
                break;
            return true;
        }, cancellationToken).ConfigureAwait(false);
        return Id;
    }

    /// <inheritdoc/>
    public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(info);
        cancellationToken.ThrowIfCancellationRequested();
        return new ValueTask<IObjectWriter>(new AzureBlobWriter(this, Blob(key), key, info));
    }

    /// <inheritdoc/>
    /// <remarks>A body that breaks off is asked for again from where it broke, as long as the blob is the same one; when that does not help, the reader gets an <see cref="IOException"/> that names the blob.</remarks>
    /// <exception cref="AzureBlobException">The container does not exist, refuses, or does not answer.</exception>
    public async Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default)
    {
        var blob = Blob(key);
        try
        {
            var response = await CallAsync(key, "read", t => blob.DownloadStreamingAsync(cancellationToken: t), cancellationToken).ConfigureAwait(false);
            return new ObjectBody(response.Value.Content, $"Cannot read '{key}' of '{Id}'");
        }
        catch (AzureRequestException e) when (e.InnerException is RequestFailedException { ErrorCode: "BlobNotFound" })
        {
            return null;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="AzureBlobException">The container does not exist, refuses, or does not answer.</exception>
    public async Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default) =>
        await PropertiesAsync(key, cancellationToken).ConfigureAwait(false) is { } found ? Entry(key, found.ContentLength, found.LastModified, found.Metadata) : null;

    /// <inheritdoc/>
    /// <exception cref="AzureBlobException">The container does not exist, refuses, or does not answer.</exception>
    public IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => ListAsync(prefix, int.MaxValue, cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="AzureBlobException">The container does not exist, refuses, or does not answer.</exception>
    public async IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, int depth, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        var folders = new Stack<string>([prefix]);
        while (folders.TryPop(out var folder))
        {
            if (folder.Count('/') > depth)
                continue;
            var items = _container.GetBlobsByHierarchyAsync(
                new GetBlobsByHierarchyOptions { Traits = BlobTraits.Metadata, Prefix = Prefix + folder, Delimiter = depth == int.MaxValue ? null : "/" }, cancellationToken).GetAsyncEnumerator(cancellationToken);
            await using (items.ConfigureAwait(false))
            {
                while (await CallAsync(folder, "list", async _ => await items.MoveNextAsync().ConfigureAwait(false), cancellationToken).ConfigureAwait(false))
                {
                    if (items.Current.IsPrefix)
                    {
                        folders.Push(items.Current.Prefix[Prefix.Length..]);
                        continue;
                    }

                    var blob = items.Current.Blob;
                    yield return Entry(blob.Name[Prefix.Length..], blob.Properties.ContentLength ?? 0, blob.Properties.LastModified ?? default, blob.Metadata);
                }
            }
        }
    }

    /// <inheritdoc/>
    /// <remarks>Snapshots, versions and soft deletion keep what they keep.</remarks>
    /// <exception cref="AzureBlobException">The container does not exist, refuses, or does not answer.</exception>
    public async Task DeleteAsync(string key, CancellationToken cancellationToken = default)
    {
        var blob = Blob(key);
        try
        {
            await CallAsync(key, "delete", t => blob.DeleteAsync(DeleteSnapshotsOption.IncludeSnapshots, cancellationToken: t), cancellationToken).ConfigureAwait(false);
        }
        catch (AzureRequestException e) when (e.InnerException is RequestFailedException { ErrorCode: "BlobNotFound" })
        {
            // Gone is what was wanted.
        }
    }

    /// <summary>Nothing is held open.</summary>
    /// <returns>A completed task.</returns>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>What the service knows of a blob; null when it says that the blob is not there.</summary>
    internal async Task<BlobProperties?> PropertiesAsync(string key, CancellationToken cancellationToken)
    {
        var blob = Blob(key);
        try
        {
            // The error's code comes in a header, so that HEAD tells a missing blob from a missing container.
            return (await CallAsync(key, "stat", t => blob.GetPropertiesAsync(cancellationToken: t), cancellationToken).ConfigureAwait(false)).Value;
        }
        catch (AzureRequestException e) when (e.InnerException is RequestFailedException { ErrorCode: "BlobNotFound" })
        {
            return null;
        }
    }

    /// <summary>Runs one request; whatever fails becomes an <see cref="AzureBlobException"/> that keeps the client's error inside.</summary>
    internal async Task<T> CallAsync<T>(string key, string verb, Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        try
        {
            return await call(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception error) when (error is RequestFailedException or AggregateException or IOException or OperationCanceledException or TimeoutException or System.Xml.XmlException)
        {
            throw AzureBlobException.From(error, $"Cannot {verb} '{key}' of '{Id}'");
        }
    }

    private BlockBlobClient Blob(string key)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        return _container.GetBlockBlobClient(Prefix + key);
    }

    private static ObjectEntry Entry(string key, long bytes, DateTimeOffset written, IDictionary<string, string> metadata)
    {
        var modified = metadata.TryGetValue(AzureBlobWriter.ModifiedMetadata, out var text)
            && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : written;
        var content = metadata.TryGetValue(AzureBlobWriter.Xxh128Metadata, out var xxh128) && metadata.TryGetValue(AzureBlobWriter.StoredSha256Metadata, out var sha256)
            && metadata.TryGetValue(AzureBlobWriter.RawBytesMetadata, out var size) && long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out var raw)
            ? new ObjectContent(xxh128, raw, bytes, sha256)
            : (ObjectContent?)null;
        return new ObjectEntry(key, bytes, modified, content);
    }
}
