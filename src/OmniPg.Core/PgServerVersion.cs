using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Npgsql;

namespace OmniPg;

/// <summary>Version of a PostgreSQL server or client program, as one comparable number.</summary>
/// <param name="Number">What <c>server_version_num</c> shows: major × 10000 + minor, such as 150018 for 15.18.</param>
public readonly record struct PgServerVersion(int Number) : IComparable<PgServerVersion>, ISpanParsable<PgServerVersion>
{
    /// <summary>Major version, such as 15.</summary>
    public int Major => Number / 10000;

    /// <summary>Minor version, such as 18; 0 for development versions.</summary>
    public int Minor => Number % 10000;

    /// <summary>Creates a version from its two numbers (PostgreSQL 10 and later).</summary>
    /// <param name="major">Major version, at least 10.</param>
    /// <param name="minor">Minor version.</param>
    /// <returns>The version.</returns>
    public static PgServerVersion Of(int major, int minor = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(major, 10);
        ArgumentOutOfRangeException.ThrowIfNegative(minor);
        return new PgServerVersion((major * 10000) + minor);
    }

    /// <summary>The version of the server that an open connection talks to; no round trip.</summary>
    /// <param name="connection">An open connection.</param>
    /// <returns>The version.</returns>
    public static PgServerVersion Of(NpgsqlConnection connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        return Of(connection.PostgreSqlVersion.Major, Math.Max(connection.PostgreSqlVersion.Minor, 0));
    }

    /// <summary>Reads <c>15.18</c>, <c>15.18 (Debian 15.18-0+deb12u1)</c>, <c>18beta2</c> or <c>pg_dump (PostgreSQL) 17.10</c>.</summary>
    /// <param name="s">The text.</param>
    /// <param name="provider">Ignored: versions know no culture.</param>
    /// <returns>The version.</returns>
    /// <exception cref="FormatException">The text holds no version of PostgreSQL 10 or later.</exception>
    public static PgServerVersion Parse(ReadOnlySpan<char> s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out var result) ? result : throw new FormatException($"'{s}' holds no PostgreSQL version.");

    /// <inheritdoc cref="Parse(ReadOnlySpan{char}, IFormatProvider?)"/>
    public static PgServerVersion Parse(string s, IFormatProvider? provider = null)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan(), provider);
    }

    /// <summary>Reads a version like <see cref="Parse(ReadOnlySpan{char}, IFormatProvider?)"/> without throwing.</summary>
    /// <param name="s">The text.</param>
    /// <param name="provider">Ignored.</param>
    /// <param name="result">The version, or <see langword="default"/>.</param>
    /// <returns>Whether the text holds a version.</returns>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out PgServerVersion result)
    {
        result = default;
        // A program's "--version" line starts with its name and "(PostgreSQL)".
        if (s.IndexOf("(PostgreSQL)") is >= 0 and var mark)
            s = s[(mark + "(PostgreSQL)".Length)..];
        s = s.Trim();
        var major = TakeNumber(ref s);
        if (major is not (>= 10 and < 200000))
            return false;
        var minor = 0;
        if (!s.IsEmpty && s[0] == '.')
        {
            s = s[1..];
            minor = TakeNumber(ref s);
            if (minor is not (>= 0 and < 10000))
                return false;
        }
        result = new PgServerVersion((major * 10000) + minor);
        return true;
    }

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, IFormatProvider?, out PgServerVersion)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out PgServerVersion result) =>
        TryParse(s.AsSpan(), provider, out result);

    /// <inheritdoc/>
    public int CompareTo(PgServerVersion other) => Number.CompareTo(other.Number);

    /// <summary>Whether the left version is older.</summary>
    public static bool operator <(PgServerVersion left, PgServerVersion right) => left.Number < right.Number;

    /// <summary>Whether the left version is newer.</summary>
    public static bool operator >(PgServerVersion left, PgServerVersion right) => left.Number > right.Number;

    /// <summary>Whether the left version is older or equal.</summary>
    public static bool operator <=(PgServerVersion left, PgServerVersion right) => left.Number <= right.Number;

    /// <summary>Whether the left version is newer or equal.</summary>
    public static bool operator >=(PgServerVersion left, PgServerVersion right) => left.Number >= right.Number;

    /// <summary>The usual text, such as <c>15.18</c>.</summary>
    /// <returns>Major and minor version.</returns>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Major}.{Minor}");

    private static int TakeNumber(ref ReadOnlySpan<char> text)
    {
        var length = 0;
        while (length < text.Length && char.IsAsciiDigit(text[length]))
            length++;
        if (!int.TryParse(text[..length], NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return -1;
        text = text[length..];
        return number;
    }
}
