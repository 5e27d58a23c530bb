using System.Text;

namespace OmniPg.Extractor;

/// <summary>What an archive says about itself before its table of contents.</summary>
public sealed record ArchiveHeader
{
    private const int TarCode = 3;

    /// <summary>Version of the archive format.</summary>
    public required ArchiveVersion Version { get; init; }

    /// <summary>Custom or directory.</summary>
    public required ArchiveFormat Format { get; init; }

    /// <summary>Bytes per integer; 4 in all archives seen.</summary>
    public required int IntegerSize { get; init; }

    /// <summary>Bytes per file offset; 8 in all archives seen.</summary>
    public required int OffsetSize { get; init; }

    /// <summary>Compression of the data.</summary>
    public required ArchiveCompression Compression { get; init; }

    /// <summary>zlib level as given to pg_dump, −1 for the default; null from version 1.15 on, which no longer stores it.</summary>
    public int? CompressionLevel { get; init; }

    /// <summary>Local time of the dumping machine when the dump began; its zone is not recorded (kind Unspecified).</summary>
    public required DateTime CreatedLocal { get; init; }

    /// <summary>Name of the dumped database.</summary>
    public required string Database { get; init; }

    /// <summary>Version text of the dumped server, for example <c>15.18 (Debian 15.18-0+deb12u1)</c>.</summary>
    public required string ServerVersion { get; init; }

    /// <summary>Version text of the pg_dump that made the archive.</summary>
    public required string DumpVersion { get; init; }

    /// <summary>The header (ReadHead in pg_backup_archiver.c), or null when more bytes are needed.</summary>
    internal static ArchiveHeader? Read(ref ArchiveCursor cursor, bool isDirectory)
    {
        foreach (var expected in "PGDMP"u8)
        {
            var at = cursor.At("magic");
            if (cursor.Byte("magic") is var found && found != expected && !cursor.IsIncomplete)
                throw new ArchiveFormatException(at, $"the byte is '{found:x2}' instead of '{expected:x2}': this is no pg_dump custom or directory archive");
        }
        var versionAt = cursor.At("version");
        var version = new ArchiveVersion(cursor.Byte("version"), cursor.Byte("version"), cursor.Byte("version"));
        if (!cursor.IsIncomplete && !version.IsSupported)
            throw new ArchiveFormatException(versionAt, version);
        cursor.Numbers = new ArchiveNumbers(Size(ref cursor, "integer size"), Size(ref cursor, "offset size"));
        CheckFormat(ref cursor, isDirectory);
        var (compression, level) = ReadCompression(ref cursor, version);
        var created = Created(ref cursor);
        var database = cursor.Text("database");
        var server = cursor.Text("server version");
        var dump = cursor.Text("pg_dump version");
        if (cursor.IsIncomplete)
            return null;
        return new ArchiveHeader
        {
            Version = version,
            Format = isDirectory ? ArchiveFormat.Directory : ArchiveFormat.Custom,
            IntegerSize = cursor.Numbers.IntegerSize,
            OffsetSize = cursor.Numbers.OffsetSize,
            Compression = compression,
            CompressionLevel = level,
            CreatedLocal = created,
            Database = Name(database),
            ServerVersion = Name(server),
            DumpVersion = Name(dump),
        };
    }

    private static int Size(ref ArchiveCursor cursor, string field)
    {
        var at = cursor.At(field);
        int size = cursor.Byte(field);
        if (!cursor.IsIncomplete && size is < 1 or > ArchiveNumbers.MaxSize)
            throw new ArchiveFormatException(at, $"the width '{size}' is not between '1' and '{ArchiveNumbers.MaxSize}'");
        return size;
    }

    private static void CheckFormat(ref ArchiveCursor cursor, bool isDirectory)
    {
        var at = cursor.At("format");
        int format = cursor.Byte("format");
        // toc.dat of a directory archive carries the code of the tar format (WriteHead in pg_backup_directory.c).
        var expected = isDirectory ? TarCode : (int)ArchiveFormat.Custom;
        if (!cursor.IsIncomplete && format != expected)
            throw new ArchiveFormatException(at, $"the format code is '{format}' instead of '{expected}'");
    }

    private static (ArchiveCompression Compression, int? Level) ReadCompression(ref ArchiveCursor cursor, ArchiveVersion version)
    {
        if (!version.HasCompressionAlgorithm)
        {
            var level = cursor.Int32("compression");
            return (level == 0 ? ArchiveCompression.None : ArchiveCompression.Gzip, level);
        }
        var at = cursor.At("compression");
        var code = cursor.Byte("compression");
        return code <= (byte)ArchiveCompression.Zstd
            ? ((ArchiveCompression)code, null)
            : throw new ArchiveFormatException(at, $"the compression code '{code}' is not between '0' and '3'");
    }

    // struct tm of the dumping machine. A wrong date harms nobody, so it is clamped instead of refused.
    private static DateTime Created(ref ArchiveCursor cursor)
    {
        int second = cursor.Int32("second"), minute = cursor.Int32("minute"), hour = cursor.Int32("hour");
        int day = cursor.Int32("day"), month = cursor.Int32("month"), year = cursor.Int32("year");
        _ = cursor.Int32("daylight saving");
        var firstOfMonth = new DateTime(Math.Clamp(year, -1899, 8099) + 1900, Math.Clamp(month, 0, 11) + 1, 1);
        var lastDay = DateTime.DaysInMonth(firstOfMonth.Year, firstOfMonth.Month);
        return firstOfMonth
            .AddDays(Math.Clamp(day, 1, lastDay) - 1)
            .AddHours(Math.Clamp(hour, 0, 23))
            .AddMinutes(Math.Clamp(minute, 0, 59))
            .AddSeconds(Math.Clamp(second, 0, 59));
    }

    // The header stands before the archive's encoding is known, and nothing depends on these names.
    private static string Name(ArchiveText text) => Encoding.UTF8.GetString(text.Bytes);
}

/// <summary>Shape of an archive.</summary>
public enum ArchiveFormat
{
    /// <summary>One file or pipe, made by <c>pg_dump -Fc</c>.</summary>
    Custom = 1,

    /// <summary>A directory with <c>toc.dat</c> and one file per table, made by <c>pg_dump -Fd</c>.</summary>
    Directory = 5,
}

/// <summary>Compression of the data blocks of an archive. The table of contents is never compressed.</summary>
public enum ArchiveCompression
{
    /// <summary>Data is stored as it is.</summary>
    None = 0,

    /// <summary>zlib streams in custom archives, gzip files in directory archives.</summary>
    Gzip = 1,

    /// <summary>LZ4 frames; pg_dump 16 and newer.</summary>
    Lz4 = 2,

    /// <summary>Zstandard frames; pg_dump 16 and newer.</summary>
    Zstd = 3,
}
