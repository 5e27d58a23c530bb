using System.Globalization;
using System.Text;

namespace OmniPg;

/// <summary>The text form of intervals, by <c>DecodeInterval</c>, <c>DecodeISO8601Interval</c> and <c>EncodeInterval</c> (src/backend/utils/adt/datetime.c, 15).</summary>
internal static class PgIntervalText
{
    private const long Second = 1_000_000;
    private const long Day = 86_400 * Second;

    // The words of deltatktbl, singular and plural; the server cuts words to ten letters, so that the long ones match by their beginning.
    private static readonly (string Word, int Months, int Days, long Microseconds)[] Units =
    [
        ("us", 0, 0, 1), ("usec", 0, 0, 1), ("usecs", 0, 0, 1), ("usecond", 0, 0, 1), ("useconds", 0, 0, 1), ("microsecon", 0, 0, 1),
        ("ms", 0, 0, 1000), ("msec", 0, 0, 1000), ("msecs", 0, 0, 1000), ("msecond", 0, 0, 1000), ("mseconds", 0, 0, 1000), ("millisecon", 0, 0, 1000),
        ("s", 0, 0, Second), ("sec", 0, 0, Second), ("secs", 0, 0, Second), ("second", 0, 0, Second), ("seconds", 0, 0, Second),
        ("m", 0, 0, 60 * Second), ("min", 0, 0, 60 * Second), ("mins", 0, 0, 60 * Second), ("minute", 0, 0, 60 * Second), ("minutes", 0, 0, 60 * Second),
        ("h", 0, 0, 3600 * Second), ("hr", 0, 0, 3600 * Second), ("hrs", 0, 0, 3600 * Second), ("hour", 0, 0, 3600 * Second), ("hours", 0, 0, 3600 * Second),
        ("d", 0, 1, 0), ("day", 0, 1, 0), ("days", 0, 1, 0),
        ("w", 0, 7, 0), ("week", 0, 7, 0), ("weeks", 0, 7, 0),
        ("mon", 1, 0, 0), ("mons", 1, 0, 0), ("month", 1, 0, 0), ("months", 1, 0, 0),
        ("y", 12, 0, 0), ("yr", 12, 0, 0), ("yrs", 12, 0, 0), ("year", 12, 0, 0), ("years", 12, 0, 0),
        ("dec", 120, 0, 0), ("decs", 120, 0, 0), ("decade", 120, 0, 0), ("decades", 120, 0, 0),
        ("c", 1200, 0, 0), ("cent", 1200, 0, 0), ("century", 1200, 0, 0), ("centuries", 1200, 0, 0),
        ("mil", 12000, 0, 0), ("mils", 12000, 0, 0), ("millennium", 12000, 0, 0), ("millennia", 12000, 0, 0),
    ];

    private static readonly long Clock = FieldOf(0, 0, 3600 * Second) | FieldOf(0, 0, 60 * Second) | FieldOf(0, 0, Second);

    public static bool TryRead(ReadOnlySpan<char> text, out PgInterval result)
    {
        text = text.Trim();
        var sum = new Sum();
        bool sound;
        try
        {
            sound = text.Length > 1 && text[0] is 'P' or 'p' ? ReadIso(text[1..], ref sum) : ReadWords(text, ref sum);
            result = sound ? sum.Total() : default;
        }
        catch (OverflowException)
        {
            sound = false;
            result = default;
        }
        return sound;
    }

    public static string Write(PgInterval interval)
    {
        var text = new StringBuilder();
        var previousNegative = false;
        Part(interval.Months / 12, "year");
        Part(interval.Months % 12, "mon");
        Part(interval.Days, "day");
        if (text.Length > 0 && interval.Microseconds == 0)
            return text.ToString();

        var time = interval.Microseconds;
        var sign = time < 0 ? "-" : previousNegative ? "+" : "";
        var rest = (ulong)(time < 0 ? -(time + 1) : time) + (time < 0 ? 1UL : 0);
        var (hours, minutes, seconds, fraction) = (rest / (3600 * (ulong)Second), rest / (60 * (ulong)Second) % 60, rest / (ulong)Second % 60, rest % (ulong)Second);
        text.Append(text.Length > 0 ? " " : "").Append(CultureInfo.InvariantCulture, $"{sign}{hours:00}:{minutes:00}:{seconds:00}");
        if (fraction != 0)
            text.Append('.').Append(fraction.ToString("000000", CultureInfo.InvariantCulture).TrimEnd('0'));
        return text.ToString();

        void Part(int value, string unit)
        {
            if (value == 0)
                return;
            // A part behind a negative one shows its sign, because the server reads a sign as that of all parts behind it in SQL style.
            text.Append(text.Length > 0 ? " " : "").Append(previousNegative && value > 0 ? "+" : "")
                .Append(CultureInfo.InvariantCulture, $"{value} {unit}{(value == 1 ? "" : "s")}");
            previousNegative = value < 0;
        }
    }

    private static bool ReadWords(ReadOnlySpan<char> text, ref Sum sum)
    {
        if (text.Length > 0 && text[0] == '@')
            text = text[1..].TrimStart();
        var any = false;
        while (!text.IsEmpty)
        {
            if (any && text.Equals("ago", StringComparison.OrdinalIgnoreCase))
            {
                sum.Negate();
                return true;
            }
            if (!TakeClock(ref text, ref sum) && !TakeQuantity(ref text, ref sum))
                return false;
            any = true;
            text = text.TrimStart();
        }
        return any;
    }

    private static bool TakeQuantity(ref ReadOnlySpan<char> text, ref Sum sum)
    {
        if (!TakeNumber(ref text, out var number))
            return false;
        // "1-2": the years and months of the SQL standard.
        if (number.Fraction == 0 && text.Length > 1 && text[0] == '-' && char.IsAsciiDigit(text[1]))
        {
            text = text[1..];
            if (!TakeNumber(ref text, out var months) || months.Fraction != 0 || months.Whole > 11 || !IsEnd(text))
                return false;
            return sum.Add(number, 12, 0, 0) && sum.Add(months with { Negative = number.Negative }, 1, 0, 0);
        }
        var rest = text.TrimStart();
        var length = 0;
        while (length < rest.Length && char.IsAsciiLetter(rest[length]))
            length++;
        if (length == 0)
        {
            // A number alone counts days before a clock time, as in the SQL standard, and seconds as the last one.
            var isLast = rest.IsEmpty;
            if (!isLast && !TakeClock(ref rest, ref sum))
                return false;
            text = rest;
            return isLast ? sum.Add(number, 0, 0, Second) : sum.Add(number, 0, 1, 0);
        }
        if (!TryUnit(rest[..length], out var unit))
        {
            text = rest;
            return rest[..length].Equals("ago", StringComparison.OrdinalIgnoreCase) && sum.Add(number, 0, 0, Second);
        }
        text = rest[length..];
        return IsEnd(text) && sum.Add(number, unit.Months, unit.Days, unit.Microseconds);
    }

    private static bool TryUnit(ReadOnlySpan<char> word, out (string Word, int Months, int Days, long Microseconds) unit)
    {
        var cut = word.Length > 10 ? word[..10] : word;
        foreach (var candidate in Units)
        {
            if (cut.Equals(candidate.Word, StringComparison.OrdinalIgnoreCase))
            {
                unit = candidate;
                return true;
            }
        }
        unit = default;
        return false;
    }

    /// <summary><c>[±]HH:MM[:SS[.ffffff]]</c>; hours may be many.</summary>
    private static bool TakeClock(ref ReadOnlySpan<char> text, ref Sum sum)
    {
        var rest = text;
        var negative = TakeSign(ref rest);
        if (!TakeDigits(ref rest, out var hours) || rest.IsEmpty || rest[0] != ':')
            return false;
        rest = rest[1..];
        if (!TakeDigits(ref rest, out var minutes) || minutes > 59)
            return false;
        var seconds = 0L;
        var fraction = 0.0;
        if (!rest.IsEmpty && rest[0] == ':')
        {
            rest = rest[1..];
            if (!TakeDigits(ref rest, out seconds) || seconds > 59)
                return false;
            fraction = TakeFraction(ref rest);
        }
        else if (!rest.IsEmpty && rest[0] == '.')
        {
            // "MM:SS.fff": with a fraction the first field is minutes.
            (hours, minutes, seconds) = (0, hours, minutes);
            fraction = TakeFraction(ref rest);
        }
        if (!IsEnd(rest))
            return false;
        var microseconds = checked((((hours * 60) + minutes) * 60 + seconds) * Second) + (long)Math.Round(fraction * Second, MidpointRounding.ToEven);
        text = rest;
        return sum.AddClock(negative ? -microseconds : microseconds);
    }

    private static bool ReadIso(ReadOnlySpan<char> text, ref Sum sum)
    {
        var inTime = false;
        var any = false;
        while (!text.IsEmpty)
        {
            if (text[0] is 'T' or 't')
            {
                if (inTime)
                    return false;
                inTime = true;
                text = text[1..];
                continue;
            }
            if (!TakeNumber(ref text, out var number) || text.IsEmpty)
                return false;
            var designator = char.ToUpperInvariant(text[0]);
            text = text[1..];
            any = true;
            switch (inTime, designator)
            {
                case (false, 'Y') when sum.Add(number, 12, 0, 0): break;
                case (false, 'M') when sum.Add(number, 1, 0, 0): break;
                case (false, 'W') when sum.Add(number, 0, 7, 0): break;
                case (false, 'D') when sum.Add(number, 0, 1, 0): break;
                case (true, 'H') when sum.Add(number, 0, 0, 3600 * Second): break;
                case (true, 'M') when sum.Add(number, 0, 0, 60 * Second): break;
                case (true, 'S') when sum.Add(number, 0, 0, Second): break;
                default: return false;
            }
        }
        return any || inTime;
    }

    private static bool TakeNumber(ref ReadOnlySpan<char> text, out Quantity number)
    {
        number = default;
        var signed = text.Length;
        var negative = TakeSign(ref text);
        if (signed != text.Length && !text.IsEmpty && text[0] == '.')
            return false;
        var hasDigits = TakeDigits(ref text, out var whole);
        var before = text.Length;
        var fraction = TakeFraction(ref text);
        if (!hasDigits && before - text.Length < 2)
            return false;
        number = new Quantity(whole, fraction, negative);
        return true;
    }

    private static bool TakeSign(ref ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || text[0] is not ('-' or '+'))
            return false;
        var negative = text[0] == '-';
        text = text[1..].TrimStart();
        return negative;
    }

    private static bool TakeDigits(ref ReadOnlySpan<char> text, out long value)
    {
        var length = 0;
        while (length < text.Length && char.IsAsciiDigit(text[length]))
            length++;
        if (length == 0)
        {
            value = 0;
            return false;
        }
        value = long.Parse(text[..length], NumberStyles.None, CultureInfo.InvariantCulture);
        text = text[length..];
        return true;
    }

    private static double TakeFraction(ref ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || text[0] != '.')
            return 0;
        var length = 1;
        while (length < text.Length && char.IsAsciiDigit(text[length]))
            length++;
        var value = length == 1 ? 0 : double.Parse(text[..length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture);
        text = text[length..];
        return value;
    }

    /// <summary>One bit for each unit: the place of its first word in <see cref="Units"/>.</summary>
    private static long FieldOf(int months, int days, long microseconds) =>
        1L << Array.FindIndex(Units, u => u.Months == months && u.Days == days && u.Microseconds == microseconds);

    private static bool IsEnd(ReadOnlySpan<char> text) => text.IsEmpty || char.IsWhiteSpace(text[0]);

    private readonly record struct Quantity(long Whole, double Fraction, bool Negative);

    /// <summary>The fields while they are added up; a fraction of a unit goes down to the next smaller ones, as in <c>AdjustFractDays</c>.</summary>
    private struct Sum
    {
        private long _months;
        private long _days;
        private long _microseconds;
        private long _seen;

        /// <summary>Adds a number of units; false when that unit was there before, which the server refuses too.</summary>
        public bool Add(Quantity number, int months, int days, long microseconds)
        {
            if (!See(FieldOf(months, days, microseconds)))
                return false;
            var sign = number.Negative ? -1 : 1;
            _months = checked(_months + (sign * number.Whole * months));
            _days = checked(_days + (sign * number.Whole * days));
            _microseconds = checked(_microseconds + (sign * number.Whole * microseconds));
            var fraction = sign * number.Fraction;
            if (fraction == 0)
                return true;
            if (months > 1)
                // Years and more: the fraction becomes whole months.
                _months = checked(_months + (long)Math.Round(fraction * months, MidpointRounding.ToEven));
            else if (months == 1)
                AddFractionOfDays(fraction * 30);
            else if (days > 0)
                AddFractionOfDays(fraction * days);
            else
                AddMicroseconds((long)Math.Round(fraction * microseconds, MidpointRounding.ToEven));
            return true;
        }

        /// <summary>Adds a clock time, which stands for hours, minutes and seconds.</summary>
        public bool AddClock(long microseconds)
        {
            AddMicroseconds(microseconds);
            return See(Clock);
        }

        public void Negate() => (_months, _days, _microseconds) = checked((-_months, -_days, -_microseconds));

        public readonly PgInterval Total() => checked(new PgInterval((int)_months, (int)_days, _microseconds));

        private bool See(long fields)
        {
            var again = (_seen & fields) != 0;
            _seen |= fields;
            return !again;
        }

        private void AddMicroseconds(long microseconds) => _microseconds = checked(_microseconds + microseconds);

        private void AddFractionOfDays(double days)
        {
            var whole = Math.Truncate(days);
            _days = checked(_days + (long)whole);
            AddMicroseconds((long)Math.Round((days - whole) * Day, MidpointRounding.ToEven));
        }
    }
}
