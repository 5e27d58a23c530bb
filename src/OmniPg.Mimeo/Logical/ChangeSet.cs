using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace OmniPg.Mimeo;

/// <summary>Changes as <c>pgoutput</c> writes them (manual, "Logical Replication Message Formats"), gathered to one row for each key: what stands there after the last of them.</summary>
/// <remarks>
/// <para>A value that the server left out stays as it is at the destination: a large one that an update did not touch, or a column that did not exist yet. Where the key has changed
/// meanwhile, it comes from the row of the former key.</para>
/// <para>Keys are told apart by their form. Two forms of one value (1.0 and 1.00) are two keys here, of which one is gone at the end; deletes are applied first.</para>
/// </remarks>
/// <param name="columns">Names of the copied columns with their types at the source.</param>
/// <param name="key">Places of the key among them.</param>
/// <param name="known">Names of all columns that the source has now.</param>
/// <param name="isPartitioned">Whether changes come under the name of a partitioned table, whose own replica identity says nothing of its partitions'.</param>
/// <param name="isBinary">Whether values are asked for in their binary form.</param>
internal sealed class ChangeSet(IReadOnlyList<(string Name, uint Type)> columns, IReadOnlyList<int> key, IReadOnlySet<string> known, bool isPartitioned, bool isBinary)
{
    // Of one change beside its message and its values: the message's head, the row, its text of the key and its place in the table of rows.
    private const int RowBytes = 180;

    private const int CellBytes = 16;

    private readonly Dictionary<string, Row> _rows = new(StringComparer.Ordinal);
    private readonly Dictionary<uint, Relation> _relations = [];
    private byte[] _message = [];
    private int _at;

    /// <summary>The last state of each key.</summary>
    public IReadOnlyCollection<Row> Rows => _rows.Values;

    /// <summary>Whether values are in their binary form, else as text.</summary>
    public bool IsBinary => isBinary;

    /// <summary>Whether the table was emptied before those.</summary>
    public bool IsTruncated { get; private set; }

    /// <summary>About what is held in memory.</summary>
    public long Bytes { get; private set; }

    /// <summary>Bytes of the changes that came in.</summary>
    public long ReadBytes { get; private set; }

    /// <summary>Changes that came in.</summary>
    public long Count { get; private set; }

    /// <summary>Forgets what has been applied.</summary>
    public void Clear()
    {
        _rows.Clear();
        (IsTruncated, Bytes) = (false, 0);
    }

    /// <summary>Takes one message of a change; those that begin or end a transaction are the caller's.</summary>
    /// <param name="message">The message, which is kept.</param>
    /// <param name="wanted">Whether its transaction is; what tells of relations is read all the same.</param>
    /// <exception cref="InvalidDataException">A column was renamed, retyped or made anew between this change and now, or the change does not tell all of its row.</exception>
    public void Take(byte[] message, bool wanted)
    {
        (_message, _at) = (message, 1);
        switch ((char)message[0])
        {
            case 'R':
                ReadRelation();
                break;
            case 'T' when wanted:
                Clear();
                (IsTruncated, Count) = (true, Count + 1);
                break;
            case 'I' or 'U' or 'D' when wanted:
                Change((char)message[0]);
                (Bytes, ReadBytes, Count) = (Bytes + message.Length + (columns.Count * CellBytes) + RowBytes, ReadBytes + message.Length, Count + 1);
                break;
            default:
                // Types and origins say nothing about rows.
                break;
        }
    }

    private void Change(char kind)
    {
        var relation = _relations[UInt32()];
        if (relation.Refusal is { } refusal)
            throw new InvalidDataException(refusal);
        Cell[]? before = null;
        var part = (char)_message[_at++];
        if (part is 'K' or 'O')
        {
            before = Tuple(relation);
            part = kind == 'U' ? (char)_message[_at++] : part;
        }
        if (before is not null && key.Any(place => before[place].Length < 0))
            throw new InvalidDataException("a change does not name the key of its row: the replica identity of the table is another one, or a key is null");
        if (kind == 'D')
        {
            _rows[KeyOf(before!)] = new Row(before!, null, IsDeleted: true);
            return;
        }
        var after = Tuple(relation);
        // A large value of the key is left out of the new row, too, and stands in the old key then (src/backend/access/heap/heapam.c, ExtractReplicaIdentity).
        if (before is not null)
        {
            foreach (var place in key)
                after[place] = after[place].IsLeft ? before[place] : after[place];
        }
        var (now, was) = (KeyOf(after), before is null ? null : KeyOf(before));
        if (kind == 'I')
        {
            // An update that brings a row under the condition comes as an insert, and without the large values that it left alone (src/backend/replication/pgoutput/pgoutput.c).
            foreach (var place in relation.Places)
            {
                if (place >= 0 && after[place].IsLeft)
                    throw new InvalidDataException($"a row came under the condition without the large value of column '{columns[place].Name}', which the log does not hold");
            }
            _rows[now] = new Row(after, null, IsDeleted: false);
            return;
        }
        var former = was ?? now;
        if (!_rows.Remove(former, out var held) || held.IsDeleted)
            held = new Row([.. Enumerable.Repeat(Cell.Left, columns.Count)], before ?? after, IsDeleted: false);
        if (former != now)
            _rows[former] = new Row(before!, null, IsDeleted: true);
        for (var column = 0; column < after.Length; column++)
        {
            if (after[column].IsLeft)
                after[column] = held.Cells[column];
        }
        _rows[now] = held with { Cells = after };
    }

    private Cell[] Tuple(Relation relation)
    {
        var cells = new Cell[columns.Count];
        Array.Fill(cells, Cell.Left);
        var count = Int16();
        for (var n = 0; n < count; n++)
        {
            var form = (char)_message[_at++];
            var cell = form switch { 'n' => Cell.Null, 'u' => Cell.Left, _ => Value() };
            if (relation.Places[n] is not (>= 0 and var place))
                continue;
            if (isBinary && form == 't')
                throw new InvalidDataException($"column '{columns[place].Name}' came as text");
            cells[place] = cell;
        }
        return cells;

        Cell Value()
        {
            var length = (int)UInt32();
            _at += length;
            return new Cell(_message, _at - length, length);
        }
    }

    private string KeyOf(Cell[] cells)
    {
        if (key.Count == 1)
            return Encoding.Latin1.GetString(cells[key[0]].Span);
        var text = new StringBuilder();
        foreach (var place in key)
            text.Append(CultureInfo.InvariantCulture, $"{cells[place].Length}:").Append(Encoding.Latin1.GetString(cells[place].Span));
        return text.ToString();
    }

    private void ReadRelation()
    {
        var oid = UInt32();
        Text();
        Text();
        var isFull = _message[_at++] == (byte)'f';
        var places = new int[Int16()];
        var (vanished, retyped, identity) = (new List<string>(), new List<string>(), new HashSet<string>(StringComparer.Ordinal));
        for (var n = 0; n < places.Length; n++)
        {
            var isIdentity = (_message[_at++] & 1) != 0;
            var (name, type) = (Text(), UInt32());
            if (isIdentity && !isFull)
                identity.Add(name);
            _at += sizeof(int);
            places[n] = -1;
            for (var column = 0; column < columns.Count && places[n] < 0; column++)
                places[n] = columns[column].Name == name ? column : -1;
            if (!known.Contains(name))
                vanished.Add(name);
            if (places[n] >= 0 && columns[places[n]].Type != type)
                retyped.Add(name);
        }
        var missing = columns.Where((_, column) => !places.Contains(column)).Select(c => c.Name).ToArray();
        // A column that is new next to one that is gone may be the same one under another name.
        _relations[oid] = new Relation(places, retyped.Count > 0 ? $"column '{retyped[0]}' has changed its type since some of these changes"
            : !isPartitioned && identity.Count > 0 && !identity.SetEquals(key.Select(k => columns[k].Name)) ? $"the replica identity was ({string.Join(", ", identity)}) at some of these changes, and the key is ({string.Join(", ", key.Select(k => columns[k].Name))})"
            : missing.Length > 0 && vanished.Count > 0 ? $"column '{missing[0]}' has come and '{vanished[0]}' has gone since some of these changes" : null);
    }

    private string Text()
    {
        var end = Array.IndexOf(_message, (byte)0, _at);
        var text = Encoding.UTF8.GetString(_message, _at, end - _at);
        _at = end + 1;
        return text;
    }

    private short Int16()
    {
        _at += sizeof(short);
        return BinaryPrimitives.ReadInt16BigEndian(_message.AsSpan(_at - sizeof(short)));
    }

    private uint UInt32()
    {
        _at += sizeof(uint);
        return BinaryPrimitives.ReadUInt32BigEndian(_message.AsSpan(_at - sizeof(uint)));
    }

    /// <summary>The state of one key.</summary>
    /// <param name="Cells">Values of the copied columns; of a deleted row those of the key.</param>
    /// <param name="From">Values of the key under which the destination has the row; null for one that is new.</param>
    /// <param name="IsDeleted">Whether it is gone.</param>
    public sealed record Row(Cell[] Cells, Cell[]? From, bool IsDeleted);

    /// <summary>A value inside of its message; SQL's NULL, or one that stays as it is.</summary>
    public readonly record struct Cell(byte[]? Message, int Offset, int Length)
    {
        public static Cell Null => new(null, 0, -1);

        public static Cell Left => new(null, 0, -2);

        public bool IsNull => Length == -1;

        public bool IsLeft => Length == -2;

        public ReadOnlySpan<byte> Span => Length < 0 ? [] : Message.AsSpan(Offset, Length);
    }

    private sealed record Relation(int[] Places, string? Refusal);
}
