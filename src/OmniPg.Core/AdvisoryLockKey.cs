using System.Globalization;

namespace OmniPg;

/// <summary>Key of an advisory lock: one 64-bit number or two 32-bit numbers, which are two separate key spaces of the server.</summary>
/// <remarks>
/// Numbers that the original extensions derive with the server's <c>hashtext</c> are computed on the server, never here.
/// How <c>pg_locks</c> shows a key: <see cref="ClassId"/>, <see cref="ObjectId"/>, <see cref="ObjectSubId"/> (manual, view <c>pg_locks</c>).
/// </remarks>
public readonly record struct AdvisoryLockKey
{
    private AdvisoryLockKey(uint classId, uint objectId, short subId) => (ClassId, ObjectId, ObjectSubId) = (classId, objectId, subId);

    /// <summary><c>pg_locks.classid</c>: the first number of a pair, or the high half of a 64-bit key.</summary>
    public uint ClassId { get; }

    /// <summary><c>pg_locks.objid</c>: the second number of a pair, or the low half of a 64-bit key.</summary>
    public uint ObjectId { get; }

    /// <summary><c>pg_locks.objsubid</c>: 2 for a pair, 1 for a 64-bit key.</summary>
    public short ObjectSubId { get; }

    /// <summary>Whether this is a pair, to be passed to the two-argument lock functions.</summary>
    public bool IsPair => ObjectSubId == 2;

    /// <summary>The 64-bit key.</summary>
    /// <exception cref="InvalidOperationException">The key is a pair.</exception>
    public long Number => IsPair ? throw new InvalidOperationException("The advisory lock key is a pair.") : unchecked((long)(((ulong)ClassId << 32) | ObjectId));

    /// <summary>The two 32-bit numbers.</summary>
    /// <exception cref="InvalidOperationException">The key is one 64-bit number.</exception>
    public (int First, int Second) Pair =>
        IsPair ? unchecked(((int)ClassId, (int)ObjectId)) : throw new InvalidOperationException("The advisory lock key is one 64-bit number.");

    /// <summary>Key for <c>pg_advisory_lock(bigint)</c>.</summary>
    /// <param name="key">The number.</param>
    /// <returns>The key.</returns>
    public static AdvisoryLockKey FromInt64(long key) => unchecked(new AdvisoryLockKey((uint)((ulong)key >> 32), (uint)key, 1));

    /// <summary>Key for <c>pg_advisory_lock(int, int)</c>.</summary>
    /// <param name="first">First number, by convention the package's.</param>
    /// <param name="second">Second number, by convention the object's.</param>
    /// <returns>The key.</returns>
    public static AdvisoryLockKey FromPair(int first, int second) => unchecked(new AdvisoryLockKey((uint)first, (uint)second, 2));

    /// <summary>The arguments as one would type them: <c>42</c> or <c>1, 2</c>.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => ObjectSubId switch
    {
        2 => string.Create(CultureInfo.InvariantCulture, $"{Pair.First}, {Pair.Second}"),
        _ => Number.ToString(CultureInfo.InvariantCulture),
    };
}
