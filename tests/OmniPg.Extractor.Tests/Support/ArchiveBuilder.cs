using System.Buffers;
using System.IO.Compression;
using System.Text;

namespace OmniPg.Extractor.Tests;

/// <summary>Writes custom archives and the toc.dat of directory archives, also in versions that the installed pg_dump does not write.</summary>
internal sealed class ArchiveBuilder
{
    private readonly ArrayBufferWriter<byte> _output = new();

    public ArchiveVersion Version { get; init; } = new(1, 14);

    public ArchiveCompression Compression { get; init; } = ArchiveCompression.None;

    public int IntegerSize { get; init; } = 4;

    public int OffsetSize { get; init; } = 8;

    public byte FormatCode { get; init; } = 1;

    public string DumpVersion { get; init; } = "15.18";

    public Encoding Encoding { get; init; } = new UTF8Encoding(false);

    /// <summary>Whether positions of data are recorded, as pg_dump does when it writes to a file.</summary>
    public bool RecordsPositions { get; init; }

    public List<BuiltEntry> Entries { get; } = [];

    public static BuiltEntry EncodingEntry(int id = 1, string name = "UTF8") => new(id, "ENCODING", "ENCODING") { Owner = "", Definition = $"SET client_encoding = '{name}';\n" };

    public static BuiltEntry StringsEntry(int id = 2) => new(id, "STDSTRINGS", "STDSTRINGS") { Owner = "", Definition = "SET standard_conforming_strings = 'on';\n" };

    public static BuiltEntry SearchPathEntry(int id = 3) => new(id, "SEARCHPATH", "SEARCHPATH") { Owner = "", Definition = "SELECT pg_catalog.set_config('search_path', '', false);\n" };

    public byte[] Build()
    {
        var positions = RecordsPositions ? Measure() : [];
        return Write(positions, out _);
    }

    public static byte[] Rows(params string[] rows) => Encoding.UTF8.GetBytes(string.Concat(rows.Select(row => row + "\n")) + "\\.\n\n\n");

    private Dictionary<int, long> Measure()
    {
        Write([], out var positions);
        return positions;
    }

    private byte[] Write(Dictionary<int, long> positions, out Dictionary<int, long> found)
    {
        _output.ResetWrittenCount();
        WriteHeader();
        Int(Entries.Count);
        foreach (var entry in Entries)
            WriteEntry(entry, positions);
        found = [];
        if (FormatCode == 1)
        {
            foreach (var entry in Entries.Where(entry => entry.HasData))
            {
                found[entry.DumpId] = _output.WrittenCount;
                WriteData(entry);
            }
        }
        return _output.WrittenSpan.ToArray();
    }

    private void WriteHeader()
    {
        _output.Write("PGDMP"u8);
        Bytes((byte)Version.Major, (byte)Version.Minor, (byte)Version.Revision, (byte)IntegerSize, (byte)OffsetSize, FormatCode);
        if (Version.Minor >= 15)
            Bytes((byte)Compression);
        else
            Int(Compression == ArchiveCompression.None ? 0 : -1);
        foreach (var part in new[] { 56, 34, 12, 31, 11, 123, 0 })
            Int(part);
        Text("shop");
        Text("15.18 (test)");
        Text(DumpVersion);
    }

    private void WriteEntry(BuiltEntry entry, Dictionary<int, long> positions)
    {
        Int(entry.DumpId);
        Int(entry.HasData ? 1 : 0);
        Text(entry.TableOid);
        Text(entry.Oid);
        Text(entry.Tag);
        Text(entry.Desc);
        Int(entry.Section);
        Text(entry.Definition);
        Text(entry.Drop);
        Text(entry.Copy);
        Text(entry.Namespace);
        Text(entry.Tablespace);
        if (Version.Minor >= 14)
            Text(entry.TableAm);
        if (Version.Minor >= 16)
            Int(entry.RelKind);
        Text(entry.Owner);
        Text(entry.WithOids);
        foreach (var dependency in entry.Dependencies)
            Text(dependency);
        Text(null);
        if (FormatCode == 1)
            Position(entry, positions);
        else
            Text(entry.FileName ?? "");
    }

    private void Position(BuiltEntry entry, Dictionary<int, long> positions)
    {
        var position = positions.GetValueOrDefault(entry.DumpId);
        Bytes((byte)(!entry.HasData ? 3 : position > 0 ? 2 : 1));
        Number(position, OffsetSize);
    }

    private void WriteData(BuiltEntry entry)
    {
        Bytes((byte)(entry.LargeObjects is null ? 1 : 3));
        Int(entry.DumpId);
        if (entry.LargeObjects is null)
        {
            WriteChunks(entry.Chunks!);
            return;
        }
        foreach (var (oid, content) in entry.LargeObjects)
        {
            Int((int)oid);
            WriteChunks(content.Length == 0 ? [] : [content]);
        }
        Int(0);
    }

    private void WriteChunks(IReadOnlyList<byte[]> chunks)
    {
        foreach (var chunk in Compression == ArchiveCompression.None ? chunks : Pieces(Compress(chunks)))
        {
            Int(chunk.Length);
            Bytes(chunk);
        }
        Int(0);
    }

    private byte[] Compress(IReadOnlyList<byte[]> chunks)
    {
        using var target = new MemoryStream();
        using (Stream encoder = Compression switch
        {
            ArchiveCompression.Gzip => new ZLibStream(target, CompressionLevel.Fastest, leaveOpen: true),
            ArchiveCompression.Lz4 => Codec.Lz4.Compress(target, leaveOpen: true),
            _ => Codec.Zstd.Compress(target, leaveOpen: true),
        })
        {
            foreach (var chunk in chunks)
                encoder.Write(chunk);
        }
        return target.ToArray();
    }

    // As pg_dump does, whose compressors hand on buffers of a fixed size that have nothing to do with rows.
    private static IReadOnlyList<byte[]> Pieces(byte[] compressed) => [.. compressed.Chunk(4096)];

    private void Int(int value)
    {
        Bytes((byte)(value < 0 ? 1 : 0));
        Number(Math.Abs((long)value), IntegerSize);
    }

    private void Number(long value, int size)
    {
        for (var i = 0; i < size; i++)
            Bytes(i < 8 ? (byte)(value >> (8 * i)) : (byte)0);
    }

    private void Text(string? text)
    {
        if (text is null)
        {
            Int(-1);
            return;
        }
        var bytes = Encoding.GetBytes(text);
        Int(bytes.Length);
        Bytes(bytes);
    }

    private void Bytes(params ReadOnlySpan<byte> bytes) => _output.Write(bytes);
}
