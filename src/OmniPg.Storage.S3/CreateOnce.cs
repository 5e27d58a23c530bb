using System.Net;
using Amazon.S3;
using Amazon.S3.Model;
using Microsoft.Extensions.Logging;

namespace OmniPg.Storage.S3;

/// <summary>Whether the server refuses to write over an object when it is told to; tried once for a store, because no error would tell.</summary>
internal sealed partial class CreateOnce(S3ObjectStore store, bool proven, ILogger logger) : IDisposable
{
    /// <summary>Object of the trial. It stays: the next process then needs one request, and nothing is deleted in a locked bucket.</summary>
    public const string Key = ".omnipg-create-once";

    private readonly SemaphoreSlim _trial = new(1);
    private bool? _honoured = proven ? true : null;

    /// <summary>Whether a conditional write is one.</summary>
    /// <exception cref="S3Exception">The trial could not be made; the next call makes it again.</exception>
    public async ValueTask<bool> IsHonouredAsync(CancellationToken cancellationToken)
    {
        if (_honoured is { } known)
            return known;
        await _trial.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_honoured is { } meanwhile)
                return meanwhile;
            // The first may find the object of an earlier process, which is the proof already.
            var honoured = await IsRefusedAsync(cancellationToken).ConfigureAwait(false) ?? await IsRefusedAsync(cancellationToken).ConfigureAwait(false) ?? false;
            if (!honoured)
                LogNotHonoured(logger, store.Id);
            _honoured = honoured;
            return honoured;
        }
        finally
        {
            _trial.Release();
        }
    }

    public void Dispose() => _trial.Dispose();

    /// <summary>True when an object was there and kept, false when the server knows no such condition, null when it wrote.</summary>
    private async Task<bool?> IsRefusedAsync(CancellationToken cancellationToken)
    {
        try
        {
            await store.CallAsync(Key, "try to create", t => store.Client.PutObjectAsync(
                new PutObjectRequest
                {
                    BucketName = store.Bucket,
                    Key = store.Prefix + Key,
                    ContentBody = "OmniPg writes this object to learn whether the server refuses to replace it. It may stay.\n",
                    UseChunkEncoding = false,
                    IfNoneMatch = "*",
                }, t), cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (S3Exception e) when (e.InnerException is AmazonS3Exception { StatusCode: HttpStatusCode.PreconditionFailed or HttpStatusCode.Conflict })
        {
            return true;
        }
        catch (S3Exception e) when (e.InnerException is AmazonS3Exception { StatusCode: HttpStatusCode.NotImplemented or HttpStatusCode.BadRequest })
        {
            return false;
        }
    }

    [LoggerMessage(7001, LogLevel.Warning, "'{Store}' does not refuse to write over an object: it is asked before each write, and of two writers with the same key at the same moment the later wins")]
    private static partial void LogNotHonoured(ILogger logger, string store);
}
