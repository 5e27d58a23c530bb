using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Numerics;

namespace OmniPg.Testing;

/// <summary>
/// Fresh data directories as copies of one that initdb made for this process: it works for a second each time, a copy takes a twentieth. Each copy is a cluster
/// of its own, with a system identifier of its own.
/// </summary>
internal static class DataDirectoryTemplate
{
    // xlp_sysid of the long page header that begins a segment, access/xlog_internal.h.
    private const int SystemIdentifierInSegment = 24;

    private static readonly ConcurrentDictionary<string, Lazy<Task<string>>> Made = new();
    private static int _copies;

    /// <summary>Makes a data directory.</summary>
    /// <param name="installation">The programs.</param>
    /// <param name="arguments">Arguments of initdb, without the directory and without files of this cluster alone.</param>
    /// <param name="dataDirectory">Where to; its parent belongs to the server's account.</param>
    public static async Task CopyAsync(PgInstallation installation, IReadOnlyList<string> arguments, string dataDirectory)
    {
        var key = string.Join('\n', [installation.BinDirectory, .. arguments]);
        var template = await Made.GetOrAdd(key, _ => new Lazy<Task<string>>(() => MakeAsync(installation, arguments))).Value;
        (await ServerProgram.RunAsync("cp", ["-a", "--reflink=auto", template, dataDirectory])).MustSucceed();
        GiveIdentity(dataDirectory, Interlocked.Increment(ref _copies));
    }

    private static async Task<string> MakeAsync(PgInstallation installation, IReadOnlyList<string> arguments)
    {
        var root = Directory.CreateDirectory(Path.Combine(ProcessServer.DefaultParent(), "omnipg-" + Path.GetRandomFileName().Replace(".", "", StringComparison.Ordinal))).FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(root, recursive: true);
        ServerAccount.Own(root);
        var data = Path.Combine(root, "data");
        var result = await ServerProgram.RunAsync(installation.Program("initdb"), ["-D", data, .. arguments], root);
        return result.ExitCode == 0 ? data : throw new InvalidOperationException($"initdb of PostgreSQL {installation.Major} failed: {result.Error}");
    }

    // The identifier stands in the control file, under its checksum, and in front of the only segment; records do not hold it.
    private static void GiveIdentity(string dataDirectory, int number)
    {
        var path = Path.Combine(dataDirectory, "global", "pg_control");
        var control = File.ReadAllBytes(path);
        var checksum = ChecksumOffset(control);
        var identifier = BinaryPrimitives.ReadUInt64LittleEndian(control) + (ulong)number;
        BinaryPrimitives.WriteUInt64LittleEndian(control, identifier);
        BinaryPrimitives.WriteUInt32LittleEndian(control.AsSpan(checksum), Crc32C(control.AsSpan(0, checksum)));
        Overwrite(path, 0, control);
        var segment = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(segment, identifier);
        foreach (var file in Directory.GetFiles(Path.Combine(dataDirectory, "pg_wal")))
            Overwrite(file, SystemIdentifierInSegment, segment);
    }

    // The last field, whose place differs between versions: the first that holds the checksum of all before it.
    private static int ChecksumOffset(byte[] control)
    {
        for (var offset = 64; offset < 512; offset += sizeof(uint))
        {
            if (BinaryPrimitives.ReadUInt32LittleEndian(control.AsSpan(offset)) == Crc32C(control.AsSpan(0, offset)))
                return offset;
        }
        throw new InvalidOperationException("The control file of initdb holds no checksum where one is looked for.");
    }

    private static uint Crc32C(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
            crc = BitOperations.Crc32C(crc, value);
        return ~crc;
    }

    // In place: owner and rights stay.
    private static void Overwrite(string path, long offset, ReadOnlySpan<byte> bytes)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write);
        RandomAccess.Write(file, bytes, offset);
    }
}
