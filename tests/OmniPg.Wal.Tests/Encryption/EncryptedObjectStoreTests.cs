using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace OmniPg.Wal.Tests.Encryption;

public sealed class EncryptedObjectStoreTests : IAsyncDisposable
{
    private const int Header = 4 + 1 + 1 + 2 + 16 + 32 + 4;
    private const int Chunk = 65536;
    private const int Tag = 16;
    private static readonly WalEncryptionKey Key = new(Enumerable.Range(0, 32).Select(static i => (byte)i).ToArray());
    private readonly MemoryObjectStore _inner = new("memory");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private EncryptedObjectStore Store => new(_inner, new WalKeyRing(Key));

    public ValueTask DisposeAsync() => _inner.DisposeAsync();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Chunk - 1)]
    [InlineData(Chunk)]
    [InlineData(Chunk + 1)]
    [InlineData(2 * Chunk)]
    [InlineData(200_000)]
    public async Task What_was_stored_is_read_again_and_lies_there_encrypted(int length)
    {
        var content = Content(length);

        await StoreAsync("a", content);

        (await ReadAsync("a")).AsSpan().SequenceEqual(content).Should().BeTrue();
        var stored = await StoredAsync("a.enc");
        stored.Length.Should().Be(Header + length + (Tag * Math.Max(1, (length + Chunk - 1) / Chunk)));
        (await _inner.StatAsync("a", Token)).Should().BeNull();
        (await _inner.StatAsync("a.enc", Token))!.Content.Should().Match<ObjectContent>(c => c.StoredSha256 == Convert.ToHexStringLower(SHA256.HashData(stored)) && c.StoredBytes == stored.Length);
        (await Store.StatAsync("a", Token))!.Should().Match<ObjectEntry>(e => e.Key == "a" && e.Bytes == stored.Length);
    }

    [Fact]
    public async Task The_format_is_the_one_of_the_specification()
    {
        var content = Content(Chunk + 5);

        await StoreAsync("a", content);

        var stored = await StoredAsync("a.enc");
        Encoding.ASCII.GetString(stored, 0, 4).Should().Be("OPGW");
        stored[4..6].Should().Equal(1, 1);
        BinaryPrimitives.ReadUInt16LittleEndian(stored.AsSpan(6)).Should().Be(16);
        // sha256sum of the bytes 0 to 31.
        Encoding.ASCII.GetString(stored, 8, 16).Should().Be("630dcd2966c43366");
        BinaryPrimitives.ReadInt32LittleEndian(stored.AsSpan(Header - 4)).Should().Be(Chunk);
        var fileKey = HKDF.DeriveKey(HashAlgorithmName.SHA256, Enumerable.Range(0, 32).Select(static i => (byte)i).ToArray(), 32, stored[24..56], Encoding.ASCII.GetBytes("omnipg-wal/1"));
        using var cipher = new AesGcm(fileKey, Tag);
        var last = new byte[5];
        cipher.Decrypt([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1], stored.AsSpan(Header + Chunk + Tag, 5), stored.AsSpan(^Tag), last, stored.AsSpan(0, Header));
        last.Should().Equal(content[^5..]);
    }

    [Fact]
    public async Task Equal_contents_are_stored_as_different_bytes()
    {
        await StoreAsync("a", Content(100));
        await StoreAsync("b", Content(100));

        (await StoredAsync("a.enc")).Should().NotEqual(await StoredAsync("b.enc"));
    }

    [Theory]
    [InlineData(Header + Chunk + Tag, "ends before its last chunk")]
    [InlineData(Header + (2 * (Chunk + Tag)), "ends before its last chunk")]
    [InlineData(Header + Chunk + Tag - 1, "is damaged")]
    [InlineData(Header + 3, "is damaged")]
    [InlineData(Header, "is damaged")]
    [InlineData(Header - 1, "ends in its header")]
    [InlineData(5, "ends in its header")]
    public async Task A_truncated_file_is_corrupt(int length, string reason)
    {
        await StoreAsync("a", Content((2 * Chunk) + 10));

        await ReplaceAsync("a.enc", stored => stored[..length]);

        (await Reading("a").Should().ThrowAsync<CorruptCompressedDataException>()).Which.Message.Should().Contain(reason);
    }

    [Fact]
    public async Task Who_reads_on_after_damage_meets_no_end()
    {
        await StoreAsync("a", Content(10));
        await ReplaceAsync("a.enc", static stored => stored[..^1]);
        await using var stream = await Store.OpenReadAsync("a", Token);
        var reading = () => stream!.ReadAsync(new byte[10], Token).AsTask();

        await reading.Should().ThrowAsync<CorruptCompressedDataException>();
        await reading.Should().ThrowAsync<CorruptCompressedDataException>();
    }

    [Fact]
    public async Task A_byte_behind_the_end_is_corrupt()
    {
        await StoreAsync("a", Content(Chunk));

        await ReplaceAsync("a.enc", stored => [.. stored, 0]);

        (await Reading("a").Should().ThrowAsync<CorruptCompressedDataException>()).Which.Message.Should().Contain("bytes follow its last chunk");
    }

    [Fact]
    public async Task Chunks_in_another_order_are_corrupt()
    {
        await StoreAsync("a", Content((3 * Chunk) + 10));

        await ReplaceAsync("a.enc", static stored =>
        {
            var (first, second) = (stored[Header..(Header + Chunk + Tag)], stored[(Header + Chunk + Tag)..(Header + (2 * (Chunk + Tag)))]);
            return [.. stored[..Header], .. second, .. first, .. stored[(Header + (2 * (Chunk + Tag)))..]];
        });

        await Reading("a").Should().ThrowAsync<CorruptCompressedDataException>();
    }

    [Fact]
    public async Task A_chunk_of_another_file_is_corrupt()
    {
        await StoreAsync("a", Content(Chunk + 10));
        await StoreAsync("b", Content(Chunk + 10));
        var other = await StoredAsync("b.enc");

        await ReplaceAsync("a.enc", stored => [.. stored[..Header], .. other[Header..(Header + Chunk + Tag)], .. stored[(Header + Chunk + Tag)..]]);

        await Reading("a").Should().ThrowAsync<CorruptCompressedDataException>();
    }

    [Fact]
    public async Task Every_flipped_bit_is_noticed()
    {
        await StoreAsync("a", Content(40));
        var good = await StoredAsync("a.enc");

        for (var i = 0; i < good.Length; i++)
        {
            var at = i;
            await ReplaceAsync("a.enc", stored =>
            {
                stored = [.. good];
                stored[at] ^= 4;
                return stored;
            });
            var failure = await Record.ExceptionAsync(() => ReadAsync("a"));

            (failure is CorruptCompressedDataException or WalEncryptionException).Should().BeTrue($"byte {i} was flipped: {failure}");
        }
    }

    [Fact]
    public async Task Rotated_keys_open_old_files_and_the_current_one_writes()
    {
        await StoreAsync("old", Content(10));
        var fresh = WalEncryptionKey.Generate();
        var both = new EncryptedObjectStore(_inner, new WalKeyRing(fresh, Key));
        await StoreAsync("new", Content(20), both);
        var onlyFresh = new EncryptedObjectStore(_inner, new WalKeyRing(fresh));

        (await ReadAsync("old", both)).Should().Equal(Content(10));
        (await ReadAsync("new", onlyFresh)).Should().Equal(Content(20));
        (await FluentActions.Awaiting(() => ReadAsync("old", onlyFresh)).Should().ThrowAsync<WalEncryptionException>())
            .Which.Should().Match<WalEncryptionException>(e => e.Code == "wal.encryption.unknown-key" && e.Message.Contains(Key.Id));
    }

    [Fact]
    public async Task Plain_objects_stay_readable_listed_and_removable_and_the_marker_is_plain()
    {
        await StoreAsync("plain", Content(10), _inner);
        await StoreAsync("secret", Content(10));
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = 15, WalSegmentSize = 1 << 20 }.WriteAsync(Store, Token);
        var listed = new List<string>();

        await foreach (var entry in Store.ListAsync("", Token))
            listed.Add(entry.Key);
        var plain = await ReadAsync("plain");
        await Store.DeleteAsync("plain", Token);
        await Store.DeleteAsync("secret", Token);

        listed.Should().BeEquivalentTo("plain", "secret", WalArchiveMarker.Key);
        plain.Should().Equal(Content(10));
        (await WalArchiveMarker.ReadAsync(_inner, Token))!.SystemIdentifier.Should().Be(42);
        (await _inner.StatAsync("secret.enc", Token)).Should().BeNull();
        (await _inner.StatAsync("plain", Token)).Should().BeNull();
    }

    [Fact]
    public void A_key_and_its_ring_say_nothing_of_the_secret()
    {
        var secret = Convert.ToHexStringLower(Enumerable.Range(0, 32).Select(static i => (byte)i).ToArray());

        Key.ToString().Should().Be("630dcd2966c43366");
        new WalKeyRing(Key).ToString().Should().NotContain(secret[..8]);
    }

    private static byte[] Content(int length) => [.. Enumerable.Range(0, length).Select(static i => (byte)(i * 7))];

    private Func<Task> Reading(string key) => () => ReadAsync(key);

    private Task StoreAsync(string key, byte[] content) => StoreAsync(key, content, Store);

    private static async Task StoreAsync(string key, byte[] content, IObjectStore store)
    {
        await using var writer = await store.CreateAsync(key, new ObjectInfo { RawBytes = content.Length }, Token);
        for (var at = 0; at < content.Length; at += 10_000)
            await writer.WriteAsync(content.AsMemory(at, Math.Min(10_000, content.Length - at)), Token);
        (await writer.CommitAsync(default(ObjectContent) with { RawBytes = content.Length, StoredBytes = content.Length }, Token)).Should().Be(ObjectCommitResult.Created);
    }

    private Task<byte[]> ReadAsync(string key) => ReadAsync(key, Store);

    private static async Task<byte[]> ReadAsync(string key, IObjectStore store)
    {
        await using var stream = await store.OpenReadAsync(key, Token) ?? throw new FileNotFoundException(key);
        using var content = new MemoryStream();
        await stream.CopyToAsync(content, 3000, Token);
        return content.ToArray();
    }

    private Task<byte[]> StoredAsync(string key) => ReadAsync(key, _inner);

    private async Task ReplaceAsync(string key, Func<byte[], byte[]> change)
    {
        var changed = change(await StoredAsync(key));
        await _inner.DeleteAsync(key, Token);
        await StoreAsync(key, changed, _inner);
    }
}
