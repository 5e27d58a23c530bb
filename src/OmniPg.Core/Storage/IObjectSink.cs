using System.IO.Hashing;
using System.Security.Cryptography;

namespace OmniPg;

/// <summary>One place that takes objects and may not be able to say what it holds: a program fed by a pipe, a remote shell.</summary>
/// <remarks>Keys are relative paths with <c>/</c>. Implementations are thread safe. Failures are thrown as they come (<see cref="IOException"/>,
/// <see cref="UnauthorizedAccessException"/>, the client's own); callers add which place and which object.</remarks>
public interface IObjectSink : IAsyncDisposable
{
    /// <summary>Stable name of the place, such as <c>directory:/mnt/archive</c>; without secrets, because it is logged.</summary>
    string Id { get; }

    /// <summary>Begins a new object. Nothing is visible under its key before <see cref="IObjectWriter.CommitAsync"/>.</summary>
    /// <param name="key">Key of the object.</param>
    /// <param name="info">What is known of the content beforehand.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>A writer; dispose it.</returns>
    ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default);
}

/// <summary>Takes the bytes of one new object. Disposing it without <see cref="CommitAsync"/> leaves no trace of it.</summary>
/// <remarks>Not thread safe; calls come one after the other. After a call has thrown, only disposal follows.</remarks>
public interface IObjectWriter : IAsyncDisposable
{
    /// <summary>Appends bytes.</summary>
    /// <param name="bytes">Belong to the caller again when the task has ended.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>A task that ends when the bytes are taken; durable they are only after <see cref="CommitAsync"/>.</returns>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default);

    /// <summary>Makes the content durable, publishes it under its key without replacing anything, and makes the key durable; in this order.</summary>
    /// <param name="content">What was written; stores that keep metadata store it.</param>
    /// <param name="cancellationToken">Cancels before the object becomes visible.</param>
    /// <returns>A task that ends when object and key are durable, or when the key turned out to be taken.</returns>
    Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default);
}

/// <summary>What is known of an object before its first byte.</summary>
public sealed record ObjectInfo
{
    /// <summary>Modification time to keep with the object, as <c>rsync -t</c> did; <see langword="null"/> (default) lets the store choose.</summary>
    public DateTimeOffset? Modified { get; init; }

    /// <summary>Size of the uncompressed content in bytes, or <see langword="null"/> when it is not known.</summary>
    public long? RawBytes { get; init; }
}

/// <summary>What was written into an object, known only after its last byte. The two hashes are kept by their names: one tells contents apart, the other guards the stored bytes.</summary>
/// <param name="Xxh128">XXH128 of the uncompressed content, 32 lower-case hex digits as <c>xxhsum -H128</c> prints them; empty when nobody asked for it.</param>
/// <param name="RawBytes">Size of the uncompressed content.</param>
/// <param name="StoredBytes">Size of the object as stored.</param>
/// <param name="StoredSha256">SHA-256 of the object as stored, 64 lower-case hex digits as <c>sha256sum</c> prints them; empty when nobody asked for it.</param>
public readonly record struct ObjectContent(string Xxh128, long RawBytes, long StoredBytes, string StoredSha256)
{
    /// <summary>Describes bytes that are stored as they are.</summary>
    /// <param name="bytes">All of them.</param>
    /// <returns>Both hashes and the size.</returns>
    public static ObjectContent Of(ReadOnlySpan<byte> bytes) =>
        new(Convert.ToHexStringLower(XxHash128.Hash(bytes)), bytes.Length, bytes.Length, Convert.ToHexStringLower(SHA256.HashData(bytes)));
}

/// <summary>What became of a new object.</summary>
public enum ObjectCommitResult
{
    /// <summary>The object is durable and visible under its key.</summary>
    Created,

    /// <summary>The key was taken; the old object is untouched and the new one is gone. The caller compares contents.</summary>
    AlreadyExists,
}
